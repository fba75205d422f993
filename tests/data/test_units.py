import numpy as np
import pytest

from co2net_phys.data.units import (
    mole_fraction_factor,
    refuse_contradicted_units,
    to_micromol_per_mol,
    wind_factor,
)
from co2net_phys.errors import DataError

WHERE = "air.nc: variable 'co2'"


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("1", 1e6),
        ("mol mol-1", 1e6),
        ("mol/mol", 1e6),
        ("mole mole-1", 1e6),
        ("mol mol-1 dry", 1e6),
        ("mol mol^-1", 1e6),
        ("1e-6", 1.0),
        ("1e-06", 1.0),
        ("1.e-6", 1.0),
        ("10^-6", 1.0),
        ("1e-6 mol mol-1", 1.0),
        ("ppm", 1.0),
        ("ppmv", 1.0),
        ("ppm dry", 1.0),
        ("parts per million", 1.0),
        ("micromol mol-1", 1.0),
        ("umol mol-1", 1.0),
        ("µmol mol-1", 1.0),
        ("μmol mol-1", 1.0),
        ("nanomol mol-1", 1e-3),
        ("ppb", 1e-3),
        ("ppbv", 1e-3),
        ("mmol mol-1", 1e3),
        ("%", 1e4),
    ],
)
def test_mole_fraction_units(units: str, factor: float) -> None:
    assert mole_fraction_factor(units, where=WHERE) == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize(
    "units",
    [
        "kg m**-2",
        "kg m-3",
        "mol m-3",
        "K",
        "",
        "degrees",
        "radian",
        "m m-1",
        "0",
        "-1e-6",
        "nan",
        "mol",
        "mol kg-1",
        "unknown",
        "ppm m",
        "1e-6 m",
        "kg mol-1",
    ],
)
def test_anything_else_is_refused_with_the_remedy(units: str) -> None:
    with pytest.raises(DataError, match="which is not a mole fraction; pass --initial-units") as e:
        mole_fraction_factor(units, where=WHERE)
    assert str(e.value).startswith(f"{WHERE} has units '{units}'")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("units", "scale"), [("kg kg-1", 1.0), ("1", 1.0), ("g kg-1", 1e-3)])
def test_mass_fraction_of_co2_is_converted_by_the_molar_masses(units: str, scale: float) -> None:
    name = "mass_fraction_of_carbon_dioxide_in_air"
    factor = mole_fraction_factor(units, where=WHERE, standard_name=name)
    # 400 ppm by mole is 400 * 44.0095 / 28.9647 = 607.77 ppm by mass.
    assert 607.7676e-6 / scale * factor == pytest.approx(400.0, rel=1e-5)


def test_undeclared_mass_fraction_is_refused() -> None:
    with pytest.raises(DataError, match="mass fraction, but its standard_name"):
        mole_fraction_factor("kg kg-1", where=WHERE)


def test_molar_units_with_a_mass_fraction_name_are_refused() -> None:
    with pytest.raises(DataError, match="contradict each other"):
        mole_fraction_factor(
            "mol mol-1",
            where=WHERE,
            standard_name="mass_fraction_of_carbon_dioxide_tracer_in_air",
        )


@pytest.mark.parametrize(
    ("units", "value"),
    [("mol mol-1", 400.0), ("1", 400.0), ("ppm", 4e-4), ("ppb", 400.0), ("ppm", 4e5)],
)
def test_attribute_contradicted_by_the_values_is_refused(units: str, value: float) -> None:
    values = np.array([[value, 1.02 * value], [np.nan, 0.98 * value]])
    with pytest.raises(DataError, match=r"contradicted by its values.*--initial-units"):
        to_micromol_per_mol(values, units, where=WHERE)


@pytest.mark.parametrize(
    ("units", "values"),
    [
        ("mol mol-1", [3.7e-4, 4.2e-4]),
        ("1e-6", [370.0, 420.0]),
        ("ppb", [370e3, 420e3]),
        ("ppm", [0.0, 4e-4]),  # a small source component, not a whole field
        ("ppm", [-4e-4, 4e-4]),
        ("ppm", [0.0, 0.0]),
        ("ppm", [np.nan, np.nan]),
        ("ppm", [20.0, 3000.0]),
    ],
)
def test_plausible_values_pass(units: str, values: list[float]) -> None:
    factor = mole_fraction_factor(units, where=WHERE)
    refuse_contradicted_units(np.array(values), factor, units=units, where=WHERE)
    converted = to_micromol_per_mol(np.array(values), units, where=WHERE)
    np.testing.assert_allclose(converted, np.array(values) * factor)


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("m s-1", 1.0),
        ("m s**-1", 1.0),
        ("m/s", 1.0),
        ("cm s-1", 0.01),
        ("knots", 1852 / 3600),
        ("km/h", 1 / 3.6),
        ("meter second-1", 1.0),
    ],
)
def test_wind_units(units: str, factor: float) -> None:
    assert wind_factor(units, where=WHERE) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("units", ["", "Pa s-1", "1", "m", "no such unit", "m2 s-2"])
def test_wind_units_that_are_not_a_speed_are_refused(units: str) -> None:
    with pytest.raises(DataError, match="wind speed such as 'm s-1' is needed"):
        wind_factor(units, where=WHERE)
