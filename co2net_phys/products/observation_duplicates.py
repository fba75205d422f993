"""One measurement once: datasets given in several selections, records that repeat.

The rules, in this order:

1. Of one site, project, laboratory and height in several selections, the provider's own choice of
   representative air is taken, then "nonlocal", "allvalid", "allhours" and any other.
2. Records of one site at one time and height, in one dataset or several, become their average,
   which stands in the first of the datasets. Moving platforms must agree in place too (0.01°).
"""

from __future__ import annotations

import logging
from collections import defaultdict

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.products.observations import (
    Series,
    kept,
    series_of,
    source_of,
    without_series,
)

_logger = logging.getLogger(__name__)

_PREFERRED = ("representative", "nonlocal", "allvalid", "allhours")


def with_one_selection(table: xr.Dataset) -> xr.Dataset:
    """The table with one selection of each site, project, laboratory and height (rule 1)."""
    series = series_of(table)
    tags: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for one in series:
        tags[_source(one)].add(one.selection_tag)
    best = {source: min(found, key=_rank) for source, found in tags.items()}
    mask = np.array([one.selection_tag == best[_source(one)] for one in series], dtype=bool)
    if mask.all():
        return table
    left_out = sorted({one.dataset for one, keep in zip(series, mask, strict=True) if not keep})
    _logger.warning(
        "%s: %d datasets are there in another selection too: left out %s%s",
        *(
            source_of(table),
            len(left_out),
            ", ".join(left_out[:4]),
            " …" if len(left_out) > 4 else "",
        ),
    )
    return without_series(table, mask)


def merged(table: xr.Dataset) -> xr.Dataset:
    """The table with every repeated record averaged into the first of its kind (rule 2).

    ``number_of_records`` adds up, the standard deviation is the root mean square of those known.
    """
    if not table.sizes["observation"]:
        return table
    keys = _keys(table)
    order = np.lexsort(tuple(reversed(keys)))  # stable: the first dataset leads each group
    changes = np.zeros(order.size, dtype=bool)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    starts = np.flatnonzero(changes)
    repeats = order.size - starts.size
    if not repeats:
        return table
    group = np.cumsum(changes) - 1
    first = order[starts]
    averaged = _averaged(table, order, group, starts)
    result = kept(table, _mask(first, order.size), "merged with another record")
    ranks = np.argsort(first)  # groups in the order of the table
    for name, values in averaged.items():
        result[name] = result[name].copy(data=values[ranks])
    _logger.warning(
        "%s: %d records repeat the time and height of another at the same site: averaged",
        *(source_of(table), repeats),
    )
    return result


def _source(series: Series) -> tuple[object, ...]:
    """What may be given in several selections."""
    height = None if np.isnan(series.series_height) else round(series.series_height)
    kind = (series.site, series.project, series.laboratory, height, series.is_monthly_mean)
    return kind if series.project else (*kind, series.dataset)


def _rank(tag: str) -> tuple[int, str]:
    known = [place for place, name in enumerate(_PREFERRED) if tag.startswith(name)]
    return (known[0] if known else len(_PREFERRED)), tag


def _keys(table: xr.Dataset) -> list[NDArray[np.int64]]:
    """Numbers that are equal for records of one site, kind, time and height."""
    series, index = series_of(table), table["series_index"].values
    kinds = sorted({(one.site, one.is_monthly_mean) for one in series})
    kind = np.array([kinds.index((one.site, one.is_monthly_mean)) for one in series])[index]
    mobile = np.array([one.is_mobile for one in series], dtype=bool)[index]
    height = table["intake_height"].values.astype(np.float64)
    nominal = np.array([one.series_height for one in series])[index]
    height = np.where(np.isfinite(height), height, nominal)
    keys = [
        kind,
        table["time"].values.astype("datetime64[s]").astype(np.int64),
        _rounded(height, 1),
    ]
    for name, scale in (("latitude", 100.0), ("longitude", 100.0), ("altitude", 1.0)):
        keys.append(np.where(mobile, _rounded(table[name].values * scale, 1), 0))
    return [np.asarray(key, dtype=np.int64) for key in keys]


def _rounded(values: NDArray[np.floating], step: float) -> NDArray[np.int64]:
    """Nearest multiple of ``step`` as a number; a value of its own where unknown."""
    return np.where(np.isfinite(values), np.round(np.nan_to_num(values) / step), -(2**31)).astype(
        np.int64
    )


def _averaged(
    table: xr.Dataset, order: NDArray[np.int64], group: NDArray[np.int64], starts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Mean value, root mean square deviation and number of records of every group."""
    tracer = table.attrs["tracer"]
    weight = table["number_of_records"].values[order].astype(np.float64)
    total = np.add.reduceat(weight, starts)
    value = np.add.reduceat(table[tracer].values[order] * weight, starts) / total
    variance = table["value_standard_deviation"].values[order].astype(np.float64) ** 2
    known = np.isfinite(variance) * weight
    with np.errstate(invalid="ignore"):
        sums = np.add.reduceat(np.nan_to_num(variance) * weight, starts)
        deviation = np.sqrt(sums / np.add.reduceat(known, starts))
    alone = np.bincount(group) == 1  # what was not merged stays as it was, to the last bit
    value[alone] = table[tracer].values[order][starts][alone]
    deviation[alone] = table["value_standard_deviation"].values[order][starts][alone]
    return {
        tracer: value,
        "value_standard_deviation": deviation.astype(np.float32),
        "number_of_records": total.astype(np.int32),
    }


def _mask(positions: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[positions] = True
    return mask
