"""Set the statistics of a twin beside those of real stations, as Markdown tables.

    python docs/scripts/twin_statistics.py year.zarr [--sample-data FOLDER]

The store is one of `co2phys simulate --preset twin`, 30 days or longer (a year for the seasonal
cycle); it is read in pieces. Real columns need the folder named by CO2PHYS_SAMPLE_DATA.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.regions import region_mask
from co2net_phys.data.schema import CO2
from co2net_phys.data.store import TrainingStore, open_store
from co2net_phys.data.winds import read_wind
from co2net_phys.metrics import latitude_weights, sample_at
from co2net_phys.simulation.mixing import GROWTH_PPM_PER_YEAR

Floats = NDArray[np.float64]

SITES: dict[str, tuple[float, float]] = {
    "ALT": (82.45, -62.51),
    "BRW": (71.32, -156.61),
    "MHD": (53.33, -9.90),
    "LEF": (45.95, -90.27),
    "UUM": (44.45, 111.10),
    "NWR": (40.05, -105.59),
    "TAP": (36.74, 126.13),
    "WLG": (36.29, 100.90),
    "MLO": (19.54, -155.58),
    "KUM": (19.52, -154.82),
    "ASC": (-7.97, -14.40),
    "SMO": (-14.25, -170.56),
    "CGO": (-40.68, 144.69),
    "SPO": (-89.98, -24.80),
}
"""Latitude and longitude in degrees, from north to south."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BANDS = ((60, 90), (30, 60), (0, 30), (-30, 0), (-60, -30), (-90, -60))
LAGS = (6, 48)
"""Hours; multiples of the six hours between the real winds."""
CHUNK = 240
"""Frames read at a time: about 10 MB for each variable on the 90 × 120 grid."""

MONTHS_IN_A_YEAR = 11
"""Months a year needs to count in the real climatology."""

GROWTH_SITE = "MLO"
"""Site whose record stands for the growth of the real atmosphere."""

YEAR_S = 365.0 * 86400
REAL_TABLE = "obspack/station_co2_monthly_2000-2012.csv"
REAL_WINDS = "winds/gfs_10m_6h_1deg_20161120-22.nc"


@dataclass
class Record:
    """What one pass over the CO2 of a store collects; µmol mol-1."""

    mean: Floats
    """(N,) area mean of each frame."""
    spread: Floats
    """(N,) spatial standard deviation."""
    excess: Floats
    """(N,) largest value less the area mean."""
    sites: Floats
    """(N, S) values at the sites."""
    diurnal: float
    """Area mean over land of the range of the mean daily cycle."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    default = Path(os.environ.get("CO2PHYS_SAMPLE_DATA", beside))
    parser.add_argument("--sample-data", type=Path, default=default)
    options = parser.parse_args()
    store = open_store(options.store, memory_limit=0)
    if store.seconds[-1] < 29.5 * 86400:
        parser.error(f"{options.store} is shorter than 30 days")
    record = co2_record(store)
    print("\n".join(site_table(store, record, options.sample_data / REAL_TABLE)), end="\n\n")
    print("\n".join(global_table(store, record, options.sample_data)))


def chunks(count: int) -> Iterator[NDArray[np.int64]]:
    """Frame numbers in pieces."""
    for first in range(0, count, CHUNK):
        yield np.arange(first, min(first + CHUNK, count))


def co2_record(store: TrainingStore) -> Record:
    """Read the CO2 of a store once."""
    weights = latitude_weights(store.latitude)[:, None]
    slots = np.round(store.day_phase * 86400).astype(int)
    hours = np.unique(slots)
    sums, counts = np.zeros((len(hours), *store.shape)), np.zeros(len(hours))
    series: list[tuple[Floats, ...]] = []
    where = np.array(list(SITES.values()))
    for frames in chunks(len(store)):
        field = store.field(CO2, frames).astype(np.float64)
        mean = (field * weights).mean(axis=(1, 2))
        departure = field - mean[:, None, None]
        spread = np.sqrt((departure**2 * weights).mean(axis=(1, 2)))
        seen = sample_at(field, store.latitude, store.longitude, where[:, 0], where[:, 1])
        series.append((mean, spread, departure.max(axis=(1, 2)), seen))
        for index, hour in enumerate(hours):
            chosen = slots[frames] == hour
            sums[index] += field[chosen].sum(axis=0)
            counts[index] += chosen.sum()
    daily = np.ptp(sums / counts[:, None, None], axis=0)
    land = region_mask("land", store.latitude, store.longitude)
    area = np.broadcast_to(weights, store.shape)[land]
    parts = [np.concatenate(part) for part in zip(*series, strict=True)]
    return Record(*parts, diurnal=float((daily[land] * area).sum() / area.sum()))


def monthly_means(store: TrainingStore, values: Floats) -> Floats:
    """Means (12, …) of each calendar month, NaN for months of which under 20 days are there."""
    month = store.times.dt.month.values
    enough = 20 * 86400 / store.time_step
    rows = [
        values[month == m].mean(axis=0)
        if (month == m).sum() >= enough
        else np.full(values.shape[1:], np.nan)
        for m in range(1, 13)
    ]
    return np.array(rows)


def cycle(monthly: Floats) -> tuple[str, str]:
    """Amplitude and month of the maximum of a mean seasonal cycle (12,), as text."""
    if np.isnan(monthly).any():
        return "–", "–"
    return f"{np.ptp(monthly):.1f}", MONTHS[int(monthly.argmax())]


def real_cycles(path: Path) -> dict[str, Floats]:
    """Mean seasonal cycle (12,) of each site in the table, years apart from their own mean."""
    if not path.is_file():
        return {}
    cycles = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        dates = [name for name in reader.fieldnames or () if name[:4].isdigit()]
        for row in reader:
            years: dict[str, Floats] = {}
            for date in dates:
                year = years.setdefault(date[:4], np.full(12, np.nan))
                year[int(date[5:7]) - 1] = float(row[date] or "nan")
            full = [y for y in years.values() if np.isfinite(y).sum() >= MONTHS_IN_A_YEAR]
            if full and row["sitecode"] not in cycles:
                cycles[row["sitecode"]] = _mean_of_known(np.array([_level(y) for y in full]))
    return cycles


def _level(year: Floats) -> Floats:
    """A year of months (12,) without its mean and the growth within it."""
    growth = GROWTH_PPM_PER_YEAR * (np.arange(12) - 5.5) / 12
    return np.asarray(year - growth - np.nanmean(year - growth))


def _mean_of_known(years: Floats) -> Floats:
    """Mean over years (n, 12), NaN for a month that no year knows."""
    known = np.isfinite(years)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, years, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def site_table(store: TrainingStore, record: Record, real: Path) -> list[str]:
    """Seasonal amplitude and month of maximum at the sites."""
    growth = GROWTH_PPM_PER_YEAR * store.seconds / YEAR_S
    twin = monthly_means(store, record.sites - growth[:, None])
    cycles = real_cycles(real)
    lines = [
        "| site | latitude | real amplitude | twin amplitude | real month | twin month |",
        "|---|---|---|---|---|---|",
    ]
    for index, (code, (latitude, _)) in enumerate(SITES.items()):
        amplitude, month = cycle(cycles.get(code, np.full(12, np.nan)))
        ours, when = cycle(twin[:, index])
        lines.append(f"| {code} | {latitude:.0f} | {amplitude} | {ours} | {month} | {when} |")
    return lines


def global_table(store: TrainingStore, record: Record, sample_data: Path) -> list[str]:
    """Growth, spread, extremes, daily cycle and wind."""
    growth = growth_per_year(store, record.mean)
    real_growth = growth_at(GROWTH_SITE, sample_data / REAL_TABLE)
    real, speeds = real_winds(sample_data / REAL_WINDS)
    by_month = monthly_means(store, record.spread)
    low, high = np.nanmin(by_month), np.nanmax(by_month)
    rows = [
        (f"growth per year (µmol mol-1; real: {GROWTH_SITE})", growth, real_growth),
        (
            "spatial standard deviation, mean (lowest to highest month)",
            f"{record.spread.mean():.1f} ({low:.1f} to {high:.1f})",
            "–",
        ),
        ("largest excess over the global mean", f"{record.excess.max():.0f}", "–"),
        ("range of the mean daily cycle, land", f"{record.diurnal:.1f}", "–"),
    ]
    for (south, north), speed in wind_speeds(store).items():
        low, high = sorted((abs(south), abs(north)))
        band = f"{low}–{high}° {'N' if north > 0 else 'S'}"
        theirs = f"{speeds[south, north]:.1f}" if speeds else "–"
        rows.append((f"root-mean-square wind, {band} (m s-1)", f"{speed:.1f}", theirs))
    for (part, hours), ours in wind_correlations(store).items():
        theirs = f"{real[part, hours]:.2f}" if real else "–"
        rows.append((f"{part} wind, pattern correlation after {hours} h", f"{ours:.2f}", theirs))
    return [
        "| quantity | twin | real |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def growth_per_year(store: TrainingStore, mean: Floats) -> str:
    """Mean difference of frames a year apart, so that the season cancels."""
    later = np.searchsorted(store.seconds, store.seconds + YEAR_S)
    first = np.flatnonzero(later < len(store))
    if not len(first):
        return "not available: record of a year or less"
    return f"{(mean[later[first]] - mean[first]).mean():.2f}"


def wind_speeds(store: TrainingStore) -> dict[tuple[int, int], float]:
    """Root-mean-square wind speed in m s-1 by latitude band."""
    energy = np.zeros(store.shape)
    for frames in chunks(len(store)):
        u, v = (store.field(name, frames).astype(np.float64) for name in ("uas", "vas"))
        energy += (u**2 + v**2).sum(axis=0) / len(store)
    return by_band(energy, store.latitude)


def by_band(energy: Floats, latitude: Floats) -> dict[tuple[int, int], float]:
    """Root of the area mean of `energy` (H, W) in each latitude band."""
    weights = np.cos(np.radians(latitude))
    speeds = {}
    for south, north in BANDS:
        inside = (latitude >= south) & (latitude < north)
        total = np.average(energy[inside].mean(axis=1), weights=weights[inside])
        speeds[south, north] = float(np.sqrt(total))
    return speeds


def wind_correlations(store: TrainingStore) -> dict[tuple[str, int], float]:
    """Mean pattern correlation of each component with itself later, from one frame a day."""
    stride = max(round(86400 / store.time_step), 1)
    weights = latitude_weights(store.latitude)
    correlations = {}
    for part, name in (("eastward", "uas"), ("northward", "vas")):
        for hours in LAGS:
            lag = round(hours * 3600 / store.time_step)
            pairs = (store.field(name, [n, n + lag]) for n in range(0, len(store) - lag, stride))
            values = [pattern_correlation(now, later, weights) for now, later in pairs]
            correlations[part, hours] = float(np.mean(values))
    return correlations


def real_winds(path: Path) -> tuple[dict[tuple[str, int], float], dict[tuple[int, int], float]]:
    """Correlations and speeds of six-hourly real winds; empty without the file."""
    if not path.is_file():
        return {}, {}
    winds = read_wind(path)
    records = [winds.record(index) for index in range(winds.record_count)]
    weights = np.cos(np.radians(winds.latitude))
    correlations = {}
    for index, part in enumerate(("eastward", "northward")):
        for hours in LAGS:
            pairs = zip(records, records[hours // 6 :], strict=False)
            values = [pattern_correlation(a[index], b[index], weights) for a, b in pairs]
            correlations[part, hours] = float(np.mean(values))
    energy = np.mean([u**2 + v**2 for u, v in records], axis=0)
    return correlations, by_band(energy, winds.latitude)


def growth_at(site: str, path: Path) -> str:
    """Mean yearly growth of a site between the first and last years with all months."""
    if not path.is_file():
        return "–"
    with path.open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["sitecode"] == site)
    months: dict[int, list[float]] = {}
    for name, value in row.items():
        if name[:4].isdigit() and value:
            months.setdefault(int(name[:4]), []).append(float(value))
    means = {year: float(np.mean(values)) for year, values in months.items() if len(values) == 12}
    first, last = min(means), max(means)
    return f"{(means[last] - means[first]) / (last - first):.2f} ({first}–{last})"


def pattern_correlation(first: Floats, second: Floats, weights: Floats) -> float:
    """Area-weighted correlation of two maps (lat, lon)."""
    shares = weights[:, None] / (weights.sum() * first.shape[1])
    a, b = (field - (field * shares).sum() for field in (first, second))
    scale = np.sqrt((a**2 * shares).sum() * (b**2 * shares).sum())
    return float((a * b * shares).sum() / scale)


if __name__ == "__main__":
    main()
