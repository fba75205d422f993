"""Real winds carried into runs and recovered from their tracers: the table of recover-wind.md.

python docs/scripts/recovered_winds.py WINDS.nc
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

CASES: dict[str, Sequence[str]] = {
    "three tracers": (),
    "three tracers, `--method global`": ("--method", "global"),
    "two tracers": ("--tracer", "tracer_x", "--tracer", "tracer_y"),
    "one tracer, the component along its gradient": ("--tracer", "tracer_x"),
}
"""What is recovered from, and words for recover-wind."""

RUNS = {
    "T21, 30 min, 3 h": "--truncation 21 --duration 3h --output-every 30min",
    "T21, 30 min, 12 h": "--truncation 21 --duration 12h --output-every 30min",
    "T42, 10 min, 3 h": "--truncation 42 --duration 3h --output-every 10min",
    "T42, 30 min, 12 h": "--truncation 42 --duration 12h --output-every 30min",
    "T42, 30 min, 36 h": "--truncation 42 --duration 36h --output-every 30min",
    "T42, 3 h, 36 h": "--truncation 42 --duration 36h --output-every 3h",
}
"""Truncation, output interval and length."""

GLOBAL = ("T21, 30 min, 3 h",)
"""Runs for the global method, which takes seconds for an instant there and a minute at T42."""


def main() -> None:
    """Print the table as Markdown."""
    winds = str(Path(sys.argv[1]).resolve())
    print("| run | recovered from | relative error | below one standard error | area |")
    print("|---|---|---|---|---|")
    for name, run in RUNS.items():
        for case, words in CASES.items():
            if ("global" in case) != (name in GLOBAL):
                continue
            with tempfile.TemporaryDirectory() as folder:
                row = scores(winds, run.split(), words, Path(folder))
            print(f"| {name} | {case} | {row[0]:.1e} | {row[1]:.0%} | {row[2]:.1%} |", flush=True)


def scores(
    winds: str, run: Sequence[str], words: Sequence[str], folder: Path
) -> tuple[float, float, float]:
    """Relative error, share of the area below one standard error, and share determined."""
    start = ("simulate", "--winds", winds, "--initial", "coordinates", "--grid", "model")
    co2phys(*start, *run, "--output", str(folder / "run.nc"))
    co2phys("recover-wind", str(folder / "run.nc"), *words, "--output", str(folder / "wind.nc"))
    with xr.open_dataset(folder / "run.nc") as data, xr.open_dataset(folder / "wind.nc") as wind:
        truth = data.sel(time=wind["time"], method="nearest", tolerance=np.timedelta64(1, "s"))
        weights = np.cos(np.radians(wind["latitude"]))
        found, sigma, expected = components(wind, truth)
        known = np.isfinite(found)
        error, whole = found - expected, expected.where(known)
        relative = np.sqrt(mean(error**2, weights) / mean(whole**2, weights))
        covered = (np.abs(error) < sigma).where(known)
        return relative, mean(covered, weights), mean(known * 1.0, weights)


def components(
    wind: xr.Dataset, truth: xr.Dataset
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Recovered, standard error and truth: of u and v, or of the best component without them."""
    if not np.isnan(wind["u"]).all():
        found = xr.concat([wind["u"], wind["v"]], "component")
        sigma = xr.concat([wind["u_standard_error"], wind["v_standard_error"]], "component")
        return found, sigma, xr.concat([truth["uas"], truth["vas"]], "component")
    east, north = wind["best_direction_eastward"], wind["best_direction_northward"]
    expected = truth["uas"] * east + truth["vas"] * north
    return wind["best_component"], wind["best_component_standard_error"], expected


def mean(field: xr.DataArray, weights: xr.DataArray) -> float:
    """Over the sphere, all times and components."""
    return float(field.weighted(weights).mean())


def co2phys(*words: str) -> None:
    """Run the command quietly."""
    program = str(Path(sys.executable).with_name("co2phys"))
    subprocess.run([program, *words], check=True, capture_output=True)


if __name__ == "__main__":
    main()
