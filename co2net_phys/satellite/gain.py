"""Maps against a known truth: errors, coverage, and what fusion gains over each satellite alone.

A satellite alone is judged twice: by its soundings, against the fusion in the very cells and days
where they are, and by the simplest map made of them, at equal coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from co2net_phys.metrics import cluster_bootstrap
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.points import Days, Floats, Points, Predictor
from co2net_phys.satellite.region import Region
from co2net_phys.satellite.scores import SAMPLES, ends
from co2net_phys.satellite.tiles import Tile, TileSize, cells_of

Field = Callable[[Tile], Floats]
"""XCO2 (days, rows, columns) of a tile, NaN where it is not known."""

FUSION = "fusion"
"""The field that the others are compared with."""

_TERMS = (
    "weight", "error", "absolute", "squared", "shared_weight", "shared_squared", "fusion_squared",
)  # fmt: skip


def field_of(predictor: Predictor, region: Region, days: Days) -> Field:
    """Maps of a method that needs no features, such as an interpolation."""

    def field(tile: Tile) -> Floats:
        time, latitude, longitude = cells_of(region, days, tile)
        none = np.empty((len(time), 0), np.float32)
        found = predictor.predict(Points(time, latitude, longitude, none, ()))
        return found.reshape(tile.shape)

    return field


def daily_sums(
    truth: DailyMaps, fields: Mapping[str, Field], size: TileSize | None = None
) -> dict[str, dict[str, Floats]]:
    """Area-weighted sums (days,) of the errors of each field where it and the truth are known.

    Beside its own, each field has sums over the cells where the fusion is known too. "area" of
    the field "truth" is that of all cells whose truth is known.
    """
    sums = {name: {term: np.zeros(truth.shape[0]) for term in _TERMS} for name in fields}
    area = np.zeros(truth.shape[0])
    for tile in truth.tiles(size):
        true = truth(tile)
        weight = np.isfinite(true) * truth.weights[tile.rows, None]
        area[tile.days] += weight.sum(axis=(1, 2))
        errors = {name: field(tile) - true for name, field in fields.items()}
        for name, error in errors.items():
            for term, values in _terms(error, errors[FUSION], weight).items():
                sums[name][term][tile.days] += values
    return {"truth": {"area": area}, **sums}


def gain_rows(
    truth: DailyMaps,
    fields: Mapping[str, Field],
    size: TileSize | None = None,
    replicates: int = SAMPLES,
) -> list[dict[str, Any]]:
    """One row for each field, plain values for JSON, µmol mol-1.

    "coverage" is the share of area and days that is known; "rmse" has its interval, from drawing
    weeks; "bias" and "mae" are means over the same cells. "fusion_rmse" is the error of the fusion
    in the cells of this field, and "gain" the share of the field's RMSE in these cells that the
    fusion saves, 1 − fusion_rmse/rmse, with its interval. NaN where a field is known nowhere.

    Args:
        truth: daily maps of what is true.
        fields: by name, among them "fusion".
        size: of the tiles that are held in memory.
        replicates: of the bootstrap.
    """
    sums = daily_sums(truth, fields, size)
    weeks = truth.days.astype("datetime64[W]").astype(np.int64)
    whole = float(sums.pop("truth")["area"].sum())
    rows = []
    for name, terms in sums.items():
        known = terms["weight"] > 0
        label = np.unique(weeks[known], return_inverse=True)[1]
        weekly: dict[str, Floats] = {
            term: np.bincount(label, weights=terms[term][known]).astype(np.float64)
            for term in _TERMS
        }
        rows.append({"field": name, **_row(weekly, whole, replicates)})
    return rows


def _terms(error: Floats, fusion: Floats, weight: Floats) -> dict[str, Floats]:
    """Sums over the cells of a tile (days,)."""
    w = np.where(np.isfinite(error), weight, 0.0)
    shared = np.where(np.isfinite(fusion), w, 0.0)
    e, f = np.nan_to_num(error), np.nan_to_num(fusion)
    parts = (w, w * e, w * np.abs(e), w * e**2, shared, shared * e**2, shared * f**2)
    return {term: part.sum(axis=(1, 2)) for term, part in zip(_TERMS, parts, strict=True)}


def _row(weekly: Mapping[str, Floats], whole: float, replicates: int) -> dict[str, Any]:
    weight = float(weekly["weight"].sum())
    nan = float("nan")
    if not weight > 0:
        nothing = {"value": nan, "low": nan, "high": nan}
        empty = {"bias": nan, "mae": nan, "fusion_rmse": nan}
        return {"coverage": 0.0, "rmse": nothing, **empty, "gain": nothing}
    every = np.arange(weekly["weight"].size)

    def share(weeks: ArrayLike, term: str, of: str) -> Any:
        chosen = np.asarray(weeks).astype(np.intp)
        with np.errstate(divide="ignore", invalid="ignore"):
            return weekly[term][chosen].sum(axis=-1) / weekly[of][chosen].sum(axis=-1)

    def rmse(weeks: ArrayLike, axis: int = -1) -> Any:
        return np.sqrt(share(weeks, "squared", "weight"))

    def gain(weeks: ArrayLike, axis: int = -1) -> Any:
        return 1 - np.sqrt(share(weeks, "fusion_squared", "shared_squared"))

    drawn = {
        name: ends(cluster_bootstrap(every, every, replicates, statistic=statistic))
        for name, statistic in (("rmse", rmse), ("gain", gain))
    }
    return {
        "coverage": weight / whole,
        "rmse": drawn["rmse"],
        "bias": float(share(every, "error", "weight")),
        "mae": float(share(every, "absolute", "weight")),
        "fusion_rmse": float(np.sqrt(share(every, "fusion_squared", "shared_weight"))),
        "gain": drawn["gain"],
    }
