"""Tables of the pages on the transport suite and on speed, measured here and now, as Markdown.

Run from the root of the repository, on a machine that does nothing else:

    python docs/scripts/transport_tables.py suite         # docs/results/transport-suite.md
    python docs/scripts/transport_tables.py speed         # docs/results/solver-speed.md
    python docs/scripts/transport_tables.py accuracy      # the same page, time to accuracy
    python docs/scripts/transport_tables.py figure        # docs/images/transport.png

"suite" takes about half an hour on one core, the others minutes. For the comparison of speed,
`pip install shtns ducc0 dinosaur-dycore` first; what is missing is named in the table.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from co2net_phys.validation.solver_speed import OURS, Speed, measure_speed
from co2net_phys.validation.time_to_accuracy import time_to_accuracy
from co2net_phys.validation.transport_suite import TransportRun, convergence, run_transport

SCHEMES = ("spectral", "semi-lagrangian", "monotone")
CASES = ("gaussian-hills", "cosine-bells", "slotted-cylinders", "correlated-bells")
RESOLUTIONS = (3.0, 1.5, 0.75)
"""Degrees; ``--resolution`` takes others."""
IMAGE = Path(__file__).resolve().parents[1] / "images" / "transport.png"
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def suite(resolutions: Sequence[float] = RESOLUTIONS) -> Iterator[str]:
    """Errors of every scheme, case and resolution in both flows, and what follows from them."""
    runs: dict[tuple[str, str, str], list[TransportRun]] = {}
    for flow in ("nondivergent", "divergent"):
        yield from heading(f"{flow.capitalize()} flow", SUITE_COLUMNS)
        for case in CASES:
            for scheme in SCHEMES:
                made = [run_transport(case, flow, scheme, r) for r in resolutions]
                runs[flow, case, scheme] = made
                yield from (suite_row(run.summary) for run in made)
    yield from orders(runs)
    yield from mixing({key: made for key, made in runs.items() if key[1] == "correlated-bells"})
    yield from filaments([runs["nondivergent", "cosine-bells", scheme] for scheme in SCHEMES])
    yield from solid_body()
    yield from variants()


SUITE_COLUMNS = (
    "case", "scheme", "spacing", "steps", "l1", "l2", "l∞", "l1 mid", "**l2 mid**", "l∞ mid",
    "min mid", "max mid", "new extremes", "mass drift",
)  # fmt: skip


def suite_row(summary: dict[str, Any]) -> str:
    """Errors at both times, extremes at mid-time, the largest new extreme, mass."""
    drift = max(summary["mass_drift"], summary["mass_drift_mid"], key=abs)
    return row(
        summary["case"], summary["scheme"], f"{summary['resolution']:g}°", summary["steps"],
        *(f"{summary[name]:.2e}" for name in ("l1", "l2", "linf", "l1_mid")),
        f"**{summary['l2_mid']:.2e}**", f"{summary['linf_mid']:.2e}",
        *(f"{round(summary[name], 3) + 0.0:.3f}" for name in ("min_mid", "max_mid")),
        new_extremes(summary), f"{drift:.0e}",
    )  # fmt: skip


def new_extremes(summary: dict[str, Any]) -> str:
    """By how much the initial range was passed at either time."""
    names = ("min_change", "max_change", "min_change_mid", "max_change_mid")
    largest = max(summary[name] * (-1 if name.startswith("min") else 1) for name in names)
    return f"{largest:.0e}" if largest > 1e-12 else "none"


def orders(runs: dict[tuple[str, str, str], list[TransportRun]]) -> Iterator[str]:
    """Slopes of l2 over the resolutions, and the resolution at which the bells pass the mark."""
    columns = ("flow", "case", "scheme", "order", "order mid", "minimal resolution, mid")
    yield from heading("Order of convergence and minimal resolution", columns)
    for (flow, case, scheme), made in runs.items():
        rates = convergence(made)
        marks = [rates["minimal_resolution"], rates["minimal_resolution_mid"]]
        shown = ["–" if mark is None else f"{mark:.2f}°" for mark in marks]
        defined = (flow, case) == ("nondivergent", "cosine-bells")
        slopes = f"{rates['order']:.1f}", f"{rates['order_mid']:.1f}"
        yield row(flow, case, scheme, *slopes, ", ".join(shown) if defined else "")


def mixing(runs: dict[tuple[str, str, str], list[TransportRun]]) -> Iterator[str]:
    """What became of the curve between two tracers."""
    yield from heading(
        "Mixing at mid-time", ("flow", "scheme", "spacing", "real", "unmixing", "overshooting")
    )
    for (flow, _, scheme), made in runs.items():
        for run in made:
            kinds = (f"{value:.1e}" for value in run.summary["mixing"].values())
            yield row(flow, scheme, f"{run.summary['resolution']:g}°", *kinds)


def filaments(runs: Sequence[list[TransportRun]]) -> Iterator[str]:
    """Share of the area above each threshold that is left at mid-time."""
    columns = ("scheme", "spacing", *(f"τ = {level:g}" for level in SHOWN_THRESHOLDS))
    yield from heading("Filaments of the cosine bells at mid-time, %", columns)
    for run in (run for made in runs for run in made):
        found = run.summary["filament"]
        kept = dict(zip(found["threshold"], found["percent"], strict=True))
        start = run.summary["scheme"], f"{run.summary['resolution']:g}°"
        yield row(*start, *(f"{kept[level]:.0f}" for level in SHOWN_THRESHOLDS))


def solid_body() -> Iterator[str]:
    """Williamson's bell on 64 × 128 nodes."""
    columns = ("axis", "scheme", "steps", "l1", "l2", "l∞", "l2 mid", "mass drift")
    yield from heading("Solid-body rotation, 2.8°", columns)
    for tilt in (0.0, 45.0, 90.0):
        for scheme in SCHEMES:
            found = run_transport(
                "williamson-bell", "solid-body", scheme, 180.0 / 64, tilt_degrees=tilt
            ).summary
            norms = (f"{found[name]:.1e}" for name in ("l1", "l2", "linf", "l2_mid"))
            yield row(f"{tilt:g}°", scheme, found["steps"], *norms, f"{found['mass_drift']:.0e}")


def variants() -> Iterator[str]:
    """What else can be chosen: registers, truncation, form."""
    columns = ("case", "flow", "variant", "l2", "l2 mid", "new extremes", "mass drift")
    yield from heading("Variants at 1.5°", columns)
    for case, flow, name, scheme, options in (
        ("gaussian-hills", "nondivergent", "low-storage", "low-storage", {}),
        ("gaussian-hills", "nondivergent", "spectral, T118", "spectral", {"truncation": 118}),
        ("cosine-bells", "nondivergent", "spectral, T118", "spectral", {"truncation": 118}),
        ("cosine-bells", "divergent", "spectral, advective", "spectral", {"form": "advective"}),
        ("cosine-bells", "divergent", "monotone, advective", "monotone", {"form": "advective"}),
    ):
        found = run_transport(case, flow, scheme, 1.5, **options).summary  # type: ignore[arg-type]
        drift = max(found["mass_drift"], found["mass_drift_mid"], key=abs)
        errors = f"{found['l2']:.2e}", f"{found['l2_mid']:.2e}", new_extremes(found)
        yield row(case, flow, name, *errors, f"{drift:.0e}")


def speed() -> Iterator[str]:
    """Cost and memory of this solver by size, then step and transform pair of every library."""
    # First, as memory that others have left would be used again and not be seen.
    columns = ("size", "fields", "ms per step", "ms per pair", "MB at set-up")
    yield from heading("This solver by size, float64, 1 thread", columns)
    for truncation in (21, 42, 85, 170, 341):
        for fields in (1, 16):
            (own,) = measure_speed(truncation, fields=fields, rounds=7, libraries=(OURS,))
            numbers = f"{own.ms_per_step:.2f}", f"{own.ms_transform_pair:.2f}"
            memory = "–" if own.megabytes is None else f"{own.megabytes:.0f}"
            yield row(f"T{truncation}", fields, *numbers, memory)
    for threads, dtype in ((1, "float64"), (2, "float64"), (1, "float32")):
        columns = ("library", "size", "ms per step", "relative", "ms per pair", "difference")
        yield from heading(f"One step, {dtype}, threads: {threads}", columns)
        for truncation in (42, 85, 170):
            yield from map(speed_row, measure_speed(truncation, threads=threads, dtype=dtype))


def speed_row(found: Speed) -> str:
    """One library at one size."""
    name, size = f"{found.backend} {found.version or ''}".strip(), f"T{found.truncation}"
    if found.ms_per_step is None:
        return row(name, size, "–", "–", "–", found.error)
    relative = "–" if found.relative is None else f"{found.relative:.2f}"
    numbers = f"{found.ms_per_step:.2f}", relative, f"{found.ms_transform_pair:.2f}"
    error = "–" if found.error is None else f"{found.error:.0e}"
    return row(name, size, *numbers, error)


def accuracy() -> Iterator[str]:
    """Time to a given error, with winds known everywhere and on the grid."""
    columns = ("wind", "target", "method", "size", "steps", "l2 mid", "s", "sooner by")
    yield from heading("Time to accuracy, threads: 2", columns)
    for wind in ("analytic", "sampled"):
        for run in time_to_accuracy(wind=wind):
            start = run.wind, f"{run.target:.0e}", run.method
            if run.seconds is None:
                yield row(*start, *("–",) * 5)
                continue
            sooner = "–" if run.speedup is None else f"{run.speedup:.1f}×"
            size = f"T{run.truncation}", run.steps, f"{run.l2_mid:.1e}"
            yield row(*start, *size, f"{run.seconds:.2f}", sooner)


def figure() -> Iterator[str]:
    """Bells and cylinders at mid-time by scheme."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels, axes = plt.subplots(
        2, 3, figsize=(13, 5.2), sharex=True, sharey=True, layout="constrained"
    )
    for across, scheme in enumerate(SCHEMES):
        for axis, case in zip(axes[:, across], ("cosine-bells", "slotted-cylinders"), strict=True):
            run = run_transport(case, "nondivergent", scheme, 1.5)
            grid, field = run.discretisation.grid, run.middle.tracers[-1]
            image = axis.pcolormesh(
                grid.longitude, grid.latitude, field, vmin=-0.2, vmax=1.2, cmap="Spectral_r",
                rasterized=True,
            )  # fmt: skip
            beyond = max(-run.summary["min_change_mid"], run.summary["max_change_mid"], 0.0)
            finding = (
                "no new extremes" if beyond < 1e-12 else f"new extremes of {100 * beyond:.0f} %"
            )
            axis.set_title(f"{scheme}: l2 {run.summary['l2_mid']:.3f}, {finding}", fontsize=10)
    for axis in axes[:, 0]:
        axis.set_ylabel("latitude (°)")
    for axis in axes[-1]:
        axis.set_xlabel("longitude (°)")
    panels.colorbar(image, ax=axes, label="mixing ratio (initially 0.1 to 1)")
    panels.suptitle("After half a period, 1.5°: cosine bells above, slotted cylinders below")
    panels.savefig(IMAGE, dpi=110, metadata={"Software": None})
    yield f"wrote {IMAGE}"


def heading(title: str, columns: Sequence[str]) -> Iterator[str]:
    """Title and head of a table."""
    yield from ("", f"## {title}", "", row(*columns), row(*("---",) * len(columns)))


def row(*cells: object) -> str:
    """Line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "suite": suite,
        "speed": speed,
        "accuracy": accuracy,
        "figure": figure,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", nargs="+", choices=parts)
    parser.add_argument("--resolution", nargs="+", type=float, default=RESOLUTIONS)
    arguments = parser.parse_args()
    parts["suite"] = partial(suite, arguments.resolution)
    for name in arguments.part:
        for line in parts[name]():
            print(line)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
