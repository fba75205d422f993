"""What the pages on theory show: figures, the table of findings, the notebooks' pairs.

Run from the root of the repository:

    python docs/scripts/theory_figures.py figures    # docs/images/theory/*.png
    python docs/scripts/theory_figures.py table      # the table of docs/theory/transport.md
    python docs/scripts/theory_figures.py wind       # the numbers of docs/theory/wind.md
    python docs/scripts/theory_figures.py pairs      # docs/notebooks/*.ipynb
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from co2net_phys.figures import picture_bytes
from co2net_phys.validation import wind_identifiability_recovery as recovered
from co2net_phys.validation.findings_report import ILLUSTRATIONS
from co2net_phys.validation.statements import TOPICS, judge

DOCS = Path(__file__).resolve().parents[1]
DPI = 100


def figures() -> None:
    """Draw every figure of the findings."""
    folder = DOCS / "images" / "theory"
    folder.mkdir(parents=True, exist_ok=True)
    for illustrations in ILLUSTRATIONS.values():
        for illustration in illustrations:
            picture = picture_bytes(illustration.draw(), dpi=DPI)
            (folder / f"{illustration.name}.png").write_bytes(picture)
            print(f"{len(picture) / 1024:6.0f} kB  {illustration.name}")


def table() -> None:
    """Print the findings as Markdown."""
    print("| result | statement | the paper | as corrected | bound |")
    print("|---|---|---|---|---|")
    for _, verdict in judge(TOPICS):
        statement, printed, corrected = verdict.statement, verdict.printed, verdict.corrected
        told = "" if printed is None else f"{shown(printed.holds)} {printed.measured:.1e}"
        if printed is not None and statement.reading != "printed":
            told += f" ({statement.reading})"
        print(
            f"| {statement.result} | `{statement.name}`: {statement.claim} | {told} "
            f"| {shown(corrected.holds)} {corrected.measured:.1e} | {corrected.bound:.2g} |"
        )


def shown(holds: bool) -> str:
    """A verdict in a cell."""
    return "holds" if holds else "**fails**"


def wind() -> None:
    """Print what docs/theory/wind.md says of winds from tracers, beside the findings."""
    print("tracers, area with cond(G) < 1e4, largest error there, median error:")
    for count in (2, 3):
        clear = recovered.recovery(count)
        known = clear.condition < recovered.LARGEST_CONDITION
        largest = clear.largest(clear.error, known)
        median = clear.quantiles(clear.error, [0.5])[0]
        print(f"  {count} {clear.share(known):.1%} {largest:.1e} {median:.1e}")
    print("with noise, area with two components, median error there in m/s, covered:")
    for count in (2, 3):
        noisy = recovered.noisy_recovery(count, recovered.NOISE_SEEDS[0])
        known = noisy.wind.determined[0].numpy()
        error = noisy.speed * noisy.quantiles(noisy.error, [0.5], known)[0]
        covered = (abs(recovered.pooled_errors(count)) <= 1.0).mean()
        print(f"  {count} {noisy.share(known):.0%} {error:.1f} {covered:.1%}")
    print("degree of the tracers, tracers, median error with the closure and without, covered:")
    for degree in recovered.ROUGH_DEGREES:
        for count in (2, 3):
            rough = recovered.rough_recovery(count, degree)
            plain = recovered.error_without_closure(count, degree)
            covered = (abs(recovered.normalised_errors(rough)) <= 1.0).mean()
            medians = [rough.quantiles(error, [0.5])[0] for error in (rough.error, plain)]
            print(f"  {degree} {count} {medians[0]:.1e} {medians[1]:.1e} {covered:.0%}")
    for noise in (recovered.WINDOW_NOISE, 0.0):
        print(f"noise {noise:g}; window, median error, largest error, area with two components:")
        for window in recovered.WINDOWS:
            long = recovered.window_recovery(window, noise)
            known = long.wind.determined[0].numpy()
            median, worst = long.quantiles(long.error, [0.5])[0], long.error.max()
            print(f"  {window} {median:.2g} {worst:.2g} {long.share(known):.0%}")


def pairs() -> None:
    """Write the notebooks for Jupyter, without results."""
    import jupytext

    for source in sorted((DOCS / "notebooks").glob("*.py")):
        jupytext.write(jupytext.read(source), source.with_suffix(".ipynb"))


PARTS: Mapping[str, Callable[[], None]] = {
    "figures": figures,
    "table": table,
    "wind": wind,
    "pairs": pairs,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    PARTS[parser.parse_args().part]()
