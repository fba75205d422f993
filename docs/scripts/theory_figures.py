"""What the pages on theory show: figures, the table of findings, the notebooks' pairs.

Run from the root of the repository:

    python docs/scripts/theory_figures.py figures    # docs/images/theory/*.png
    python docs/scripts/theory_figures.py table      # the table of docs/theory/transport.md
    python docs/scripts/theory_figures.py pairs      # docs/notebooks/*.ipynb
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from co2net_phys.figures import picture_bytes
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
    print("| result | statement | as printed | as corrected | bound |")
    print("|---|---|---|---|---|")
    for _, verdict in judge(TOPICS):
        statement, printed, corrected = verdict.statement, verdict.printed, verdict.corrected
        told = "" if printed is None else f"{shown(printed.holds)} {printed.measured:.1e}"
        print(
            f"| {statement.result} | `{statement.name}`: {statement.claim} | {told} "
            f"| {shown(corrected.holds)} {corrected.measured:.1e} | {corrected.bound:.2g} |"
        )


def shown(holds: bool) -> str:
    """A verdict in a cell."""
    return "holds" if holds else "**fails**"


def pairs() -> None:
    """Write the notebooks for Jupyter, without results."""
    import jupytext

    for source in sorted((DOCS / "notebooks").glob("*.py")):
        jupytext.write(jupytext.read(source), source.with_suffix(".ipynb"))


PARTS: Mapping[str, Callable[[], None]] = {"figures": figures, "table": table, "pairs": pairs}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    PARTS[parser.parse_args().part]()
