"""CarbonTracker files: layers, units, names of older releases, times."""

import grid_files
import numpy as np
import pytest

from co2net_phys.data.schema import AUXILIARIES, CO2, VARIABLES, validate_store
from co2net_phys.errors import DataError
from co2net_phys.products import carbontracker


def fails(path, said, **options):
    with pytest.raises(DataError, match=said) as caught:
        carbontracker.read([path], **options)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def without(*names):
    return lambda data: data.drop_vars(list(names))


def with_units(name, units):
    def change(data):
        data[name].attrs["units"] = units
        return data

    return change


def test_every_variable_of_a_store_is_there(carbontracker_day, told):
    raw = grid_files.carbontracker_dataset()
    data = carbontracker.read([carbontracker_day()])
    assert set(data.data_vars) == {CO2, *AUXILIARIES}
    validate_store(data, "store")
    expected = {
        CO2: raw["co2"][:, 0],
        "tas": raw["temperature"][:, 0],
        "huss": raw["specific_humidity"][:, 0],
        "uas": raw["u"][:, 0],
        "vas": raw["v"][:, 0],
        "ps": raw["pressure"][:, 0],
        "gph": (raw["gph"][:, 0] + raw["gph"][:, 1]) / 2,
        "oro": raw["orography"],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(data[name].values, values.values, rtol=1e-6, err_msg=name)
        assert data[name].dtype == np.float32
        for key, value in VARIABLES[name].attributes.items():
            assert data[name].attrs[key] == value
    assert data["ps"].attrs["original_name"] == "pressure"
    assert data.attrs["source"] == "CarbonTracker CT2022"
    assert data.attrs["coverage"] == "global"
    assert told() == []


def test_the_real_layout_has_the_real_grid(carbontracker_day):
    data = carbontracker.read([carbontracker_day(levels=34, nlat=90, nlon=120, records=2)])
    np.testing.assert_array_equal(data["latitude"], np.arange(-89.0, 90, 2))
    np.testing.assert_array_equal(data["longitude"], np.arange(-178.5, 180, 3))
    np.testing.assert_allclose(data["latitude_bounds"][:, 0], data["latitude"] - 1)
    np.testing.assert_allclose(data["longitude_bounds"][:, 1], data["longitude"] + 1.5)
    assert str(data["time"].values[0]) == "2010-01-01T01:30:00.000000000"


def test_another_layer_by_its_number(carbontracker_day):
    raw, path = grid_files.carbontracker_dataset(), carbontracker_day()
    data = carbontracker.read([path], level=2)
    np.testing.assert_array_equal(data[CO2].values, raw["co2"][:, 2].values)
    middle = (raw["gph"][:, 2] + raw["gph"][:, 3]) / 2
    np.testing.assert_allclose(data["gph"].values, middle.values, rtol=1e-6)
    np.testing.assert_array_equal(data["ps"].values, raw["pressure"][:, 0].values, "the ground")
    assert "layer 2" in data.attrs["level"]
    fails(path, "has 4 layers, so no layer 4; choose --level from 0", level=4)


def older(data):
    """As CT2013 and before: other names, time called date, no wind, humidity or orography."""
    data = data.rename(pressure="press", temperature="temp", time="date")
    return data.drop_vars(["u", "v", "specific_humidity", "orography", "blh"])


def test_an_older_release_with_other_names(carbontracker_day, told):
    path = carbontracker_day(change=older, name="CT2013.molefrac_glb3x2_2010-01-01.nc", levels=25)
    raw = grid_files.carbontracker_dataset(levels=25)
    data = carbontracker.read([path])
    assert set(data.data_vars) == {CO2, "ps", "tas", "gph"}
    np.testing.assert_array_equal(data[CO2].values, raw["co2"][:, 0].values)
    np.testing.assert_array_equal(data["ps"].values, raw["pressure"][:, 0].values)
    assert data.attrs["source"] == "CarbonTracker CT2013"
    (line,) = told()
    assert "gives no huss, uas, vas, oro" in line


def test_pressure_of_the_middle_of_34_layers_gives_that_of_the_ground(carbontracker_day):
    ground = 99_000.0

    def change(data):
        middle = (ground + 6.575628 + 0.994204 * ground) / 2
        data = data.drop_vars("pressure")
        profile = middle * np.linspace(1, 0.01, 34).reshape(1, -1, 1, 1)
        data["press"] = data["co2"].dims, (profile + 0 * data["co2"]).values, {"units": "Pa"}
        return data

    data = carbontracker.read([carbontracker_day(change=change, levels=34, records=2)])
    np.testing.assert_allclose(data["ps"].values, ground, rtol=1e-6)


def components(data):
    for name, share in zip(
        ("bg", "ff", "bio", "ocean", "fires"), (365, 20, -3, -2, 1), strict=True
    ):
        data[name] = (0 * data["co2"] + share).assign_attrs(data["co2"].attrs)
    return data.drop_vars("co2")


def test_components_add_up_to_the_total(carbontracker_day):
    data = carbontracker.read([carbontracker_day(change=components)])
    np.testing.assert_allclose(data[CO2].values, 381)
    assert data[CO2].attrs["original_name"] == "bg+ff+bio+ocean+fires"
    path = carbontracker_day(change=lambda d: components(d).drop_vars("ff"))
    fails(path, "components bg, bio, ocean, fires of CO2 but not ff")

    def mixed(data):
        data = components(data)
        data["bio"].attrs["units"] = "mol mol-1"
        return data

    fails(carbontracker_day(change=mixed), "'bg' and 'bio' differ in units")


def test_fluxes_and_other_files_are_told_apart(carbontracker_day):
    fluxes = carbontracker_day(change=lambda d: d.rename(co2="bio_flux_opt"))
    fails(fluxes, "holds surface fluxes; give the mole fraction files")
    fails(carbontracker_day(change=without("co2")), "no CarbonTracker mole fraction file")


@pytest.mark.parametrize(
    ("units", "factor"), [("ppm", 1), ("mol mol-1", 1e6), ("nanomol mol-1", 1e-3)]
)
def test_units_are_those_of_the_attribute(carbontracker_day, units, factor):
    def change(data):
        data["co2"] = data["co2"] / factor
        return with_units("co2", units)(data)

    data = carbontracker.read([carbontracker_day(change=change)])
    raw = grid_files.carbontracker_dataset()["co2"][:, 0]
    np.testing.assert_allclose(data[CO2].values, raw.values, rtol=1e-6)
    assert data[CO2].attrs["original_units"] == units


@pytest.mark.parametrize(
    ("name", "units", "said"),
    [
        ("co2", "mol mol-1", "contradicted by its values"),
        ("co2", "", "no units attribute"),
        ("co2", "\ufffdmol mol-1", "not UTF-8 text"),
        ("temperature", "degC", "contradicted by its values"),
        ("pressure", "hPa", "contradicted by its values"),
        ("pressure", "K", "cannot be converted to 'Pa'"),
        ("u", "kg", "cannot be converted to 'm s-1'"),
        ("specific_humidity", "g/kg g/kg s", "cannot be converted to '1'"),
    ],
)
def test_wrong_units_are_refused_until_the_user_says_better(carbontracker_day, name, units, said):
    path = carbontracker_day(change=with_units(name, units))
    line = fails(path, said)
    assert f"variable '{name}'" in line
    assert f"--units {name}=" in line
    true = grid_files.CT_UNITS[name]
    corrected = carbontracker.read([path], units={name: true})
    expected = carbontracker.read([carbontracker_day(day="2010-01-01")])
    for variable in corrected.data_vars:
        np.testing.assert_array_equal(corrected[variable].values, expected[variable].values)


def test_weather_without_units_has_the_documented_ones(carbontracker_day, told):
    def change(data):
        del data["pressure"].attrs["units"]
        return data

    paths = [carbontracker_day(day, change=change) for day in ("2010-01-01", "2010-01-02")]
    carbontracker.read(paths)
    (line,) = told()
    assert "'pressure' has no units attribute; taken as Pa (and so in 1 more files)" in line


def test_fill_values_in_disguise_are_missing_and_told(carbontracker_day, told):
    def change(data):
        for record, value in enumerate((1e20, -9999.0, 9.96921e36, -1e34)):
            data["co2"][record, 0, 1, 2 + record] = value
        return data

    data = carbontracker.read([carbontracker_day(change=change)])[CO2]
    raw = grid_files.carbontracker_dataset()["co2"][:, 0].values
    hidden = np.isnan(data.values)
    assert hidden.sum() == 4
    assert all(hidden[k, 1, 2 + k] for k in range(4))
    np.testing.assert_array_equal(data.values[~hidden], raw[~hidden])
    (line,) = told()
    assert "'co2' holds undeclared fill values in its first 8 records" in line
    assert "-9999 (1 times)" in line


def test_negative_mole_fractions_are_refused(carbontracker_day):
    def change(data):
        data["co2"][3, 0, 4, 5] = -2.5
        return data

    fails(carbontracker_day(change=change), "1 negative mole fractions .*lowest -2.5")


def test_orography_that_changes_is_refused(carbontracker_day):
    one = carbontracker_day("2010-01-01")
    two = carbontracker_day(
        "2010-01-02",
        change=lambda d: d.assign(orography=(d["orography"] + 40).assign_attrs(units="m")),
    )
    with pytest.raises(DataError, match=r"\(oro\) differs .* by up to 40, .*must not change"):
        carbontracker.read([one, two])


def test_upside_down_layers_are_refused(carbontracker_day):
    path = carbontracker_day(change=lambda d: d.isel(boundary=slice(None, None, -1)))
    with pytest.raises(DataError, match="first entry should be the lowest"):
        carbontracker.read([path])


def test_releases_are_not_mixed(carbontracker_day):
    one = carbontracker_day("2010-01-01")
    two = carbontracker_day("2010-01-02", name="CT2019B.molefrac_glb3x2_2010-01-02.nc")
    with pytest.raises(DataError, match="another release") as caught:
        carbontracker.read([one, two])
    assert one.name in str(caught.value)
    assert two.name in str(caught.value)


def monthly(data):
    return data.isel(time=[0]).drop_vars(["time_components", "decimal_time"])


def test_monthly_files_are_a_series_and_do_not_mix_with_days(carbontracker_day, told):
    months = [
        carbontracker_day(
            f"2010-{m:02d}-15", change=monthly, name=f"CT2022.molefrac_glb3x2_2010-{m:02d}.nc"
        )
        for m in (1, 2, 3, 4, 6)
    ]
    data = carbontracker.read(months)
    assert data.sizes["time"] == 5
    assert data.attrs["time_gaps"].startswith("1 missing between 2010-04-15")
    with pytest.raises(DataError, match=r"every 3 h, but .* every 1 month"):
        carbontracker.read([months[0], carbontracker_day("2010-01-20")])


class TestClocks:
    def test_components_of_time_give_the_exact_second(self, carbontracker_day):
        def change(data):
            shift = np.timedelta64(20, "s")  # as float32 days would
            return data.assign_coords(time=data["time"].values + shift)

        data = carbontracker.read([carbontracker_day(change=change)])
        assert str(data["time"].values[4]) == "2010-01-01T13:30:00.000000000"

    def test_clocks_that_disagree_are_refused(self, carbontracker_day):
        def components(data):
            data["time_components"][2, 3] += 1
            return data

        def decimal(data):
            data["decimal_time"][5] += 0.01
            return data

        fails(carbontracker_day(change=components), "2010-01-01T08:30 for record 3, .*T07:30")
        fails(carbontracker_day(change=decimal), "'decimal_time' says 2010.01.* for record 6")

    def test_a_clock_with_fill_values_is_not_asked(self, carbontracker_day):
        def change(data):
            data["time_components"][:] = -9
            return data

        data = carbontracker.read([carbontracker_day(change=change)])
        assert str(data["time"].values[4]) == "2010-01-01T13:30:00.000000000"

    def test_a_leap_year_agrees_with_its_decimals(self, carbontracker_day):
        data = carbontracker.read([carbontracker_day("2012-12-31")])
        assert str(data["time"].values[-1]) == "2012-12-31T22:30:00.000000000"
