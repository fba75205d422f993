"""Bring the variables of a store into the units of the schema, without reading them."""

from __future__ import annotations

import xarray as xr

from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.units import mole_fraction_factor, unit_conversion, wind_factor

_WINDS = ("uas", "vas")


def in_schema_units(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with every variable of the schema in the schema's units.

    CO2 and wind need a units attribute; other weather without one is taken to be right.

    Raises
    ------
    DataError
        naming `source` and the variable: its units are missing or of another kind.
    """
    changed = {}
    for name in (*VARIABLES, STATION_CO2):
        if name in dataset:
            scale, offset = _conversion(dataset[name], name, f"{source}: variable {name!r}")
            if abs(scale - 1) > 1e-9 or offset != 0:
                changed[name] = _converted(dataset[name], name, scale, offset)
    return dataset.assign(changed)


def _schema(name: str) -> dict[str, str]:
    variable = VARIABLES[CO2 if name == STATION_CO2 else name]
    return {"units": variable.units, "standard_name": variable.standard_name}


def _conversion(array: xr.DataArray, name: str, where: str) -> tuple[float, float]:
    """Factor and summand that bring `array` into the units of the schema."""
    units, wanted = str(array.attrs.get("units", "")).strip(), _schema(name)["units"]
    standard_name = str(array.attrs.get("standard_name", ""))
    if units == wanted and not standard_name.startswith("mass_fraction"):
        return 1.0, 0.0
    if name in (CO2, STATION_CO2):
        remedy = "correct the units attribute (for example 'umol mol-1')"
        factor = mole_fraction_factor(
            units, where=where, standard_name=standard_name, remedy=remedy
        )
        return factor, 0.0
    if name in _WINDS:
        return wind_factor(units, where=where), 0.0
    return unit_conversion(units, wanted, where=where) if units else (1.0, 0.0)


def _converted(array: xr.DataArray, name: str, scale: float, offset: float) -> xr.Variable:
    """`scale` · `array` + `offset`, computed when it is read: xarray's decoding is lazy."""
    packed = array.drop_encoding().variable.copy(deep=False)
    packed.attrs = {**array.attrs, "scale_factor": scale, "add_offset": offset}
    decoded = xr.decode_cf(xr.Dataset({name: packed}), decode_times=False, decode_coords=False)
    result = decoded[name].drop_encoding().variable
    result.attrs.update(_schema(name))
    return result
