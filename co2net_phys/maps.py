"""Maps of what is in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from co2net_phys.data.fields import LatLonField, read_field
from co2net_phys.data.interpolation import BilinearInterpolator
from co2net_phys.errors import DataError
from co2net_phys.figures import map_figure, three_maps_figure


def picture_of(
    path: Path,
    variable: str,
    *,
    time: str | None = None,
    level: float | None = None,
    truth: Path | None = None,
) -> Figure:
    """Map of one time (default the last); with `truth`, three maps at that time.

    Raises
    ------
    DataError
        A file, variable, level or time is missing, the grid is not global, or the units differ.
    """
    field = read_field(path, variable, time=time, level=level)
    values, moment = _last(field)
    units = field.units.replace("umol mol-1", "µmol mol⁻¹") or "1"
    name = str(field.data.attrs.get("long_name", variable))
    if truth is None:
        return map_figure(values, field.latitude, field.longitude, name, units, time=moment)
    expected = _on_grid_of(field, read_field(truth, variable, time=moment or time, level=level))
    return three_maps_figure(
        expected, values, field.latitude, field.longitude, name, units, time=moment
    )


def _on_grid_of(field: LatLonField, other: LatLonField) -> NDArray[np.float64]:
    """Values (H, W) of `other` on the grid of `field`, which must have the same units."""
    if other.units != field.units:
        where = f"{other.where} has units '{other.units}', {field.source} has '{field.units}'"
        raise DataError(f"{where}; convert one of them")
    values, _ = _last(other)
    axes = ((other.latitude, field.latitude), (other.longitude, field.longitude))
    if all(one.shape == two.shape and np.allclose(one, two, atol=1e-3) for one, two in axes):
        return values
    interpolate = BilinearInterpolator(
        other.latitude, other.longitude, field.latitude, field.longitude
    )
    return interpolate(values)


def _last(field: LatLonField) -> tuple[NDArray[np.float64], str]:
    """Values (H, W) and ISO time of the last record; "" where the field has no time."""
    times = field.times
    if times is None:
        single = field.data.coords.get("time")
        return field.record(0), "" if single is None else str(single.values)[:19]
    return field.record(len(times) - 1), str(times[-1])[:19].replace(" ", "T")
