"""Lite files of OCO-2, OCO-3 and GOSAT: what is read, and what is refused and how."""

import numpy as np
import pytest

from co2net_phys.errors import DataError
from co2net_phys.satellite.lite_file import lite_day, lite_sensor, read_lite, read_lite_files
from co2net_phys.satellite.schema import SENSORS
from co2net_phys.satellite.soundings import column_mean

PLACES = np.array([30.05, 30.15, 10.0, 30.25]), np.array([100.05, 100.15, 100.0, 100.25])
XCO2 = np.array([410.0, 411.0, 412.0, 413.0])
OCO2, OCO3, ACOS = (
    f"{prefix}_LtCO2_190601_{build}_x.nc4"
    for prefix, build in (("oco2", "B11210Ar"), ("oco3", "B10400Br"), ("acos", "v210210_B9213A"))
)


def test_good_soundings_of_the_region_are_read_in_the_units_of_the_schema(write_lite, region):
    path = write_lite(OCO2, *PLACES, XCO2, flag=np.array([0, 1, 0, 0]), mode=np.array([0, 1, 2, 4]))
    soundings, tally = read_lite(path, region)
    assert (tally.total, tally.good, tally.kept) == (4, 3, 2)
    np.testing.assert_allclose(soundings.xco2, [410, 413], rtol=1e-6)
    np.testing.assert_array_equal(soundings.operation_mode, [0, 4])
    assert soundings.time[1] == np.datetime64("2019-06-01T06:00:03.000")
    assert soundings.averaging_kernel.shape == (2, 20)
    np.testing.assert_allclose(soundings.pressure_weight.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(soundings.surface_pressure, 1000)
    assert set(soundings.sensor) == {SENSORS["oco2"]}


@pytest.mark.parametrize(("name", "sensor"), [(OCO2, "oco2"), (OCO3, "oco3"), (ACOS, "gosat")])
def test_the_name_tells_satellite_and_day(name, sensor):
    assert lite_sensor(name) == sensor
    assert lite_day(name) == np.datetime64("2019-06-01")


def test_an_impossible_date_in_a_name_is_refused():
    with pytest.raises(DataError, match="191399 in its name is no date YYMMDD"):
        lite_day("oco2_LtCO2_191399_B11210Ar_x.nc4")


def test_gosat_has_no_operation_mode_and_other_units_are_converted(write_lite):
    values = PLACES[0], PLACES[1], XCO2
    path = write_lite(ACOS, *values, leave_out=("Sounding/operation_mode",))
    soundings, _ = read_lite(path)
    assert set(soundings.operation_mode) == {-1}
    in_pascal = write_lite(ACOS, *values, units={"pressure_levels": "Pa", "Retrieval/psurf": "Pa"})
    np.testing.assert_allclose(read_lite(in_pascal)[0].surface_pressure, 10.0, rtol=1e-6)


def test_a_subset_without_prior_column_and_groups_gets_them_from_its_profiles(write_lite):
    path = write_lite(OCO2, *PLACES, XCO2, leave_out=("xco2_apriori", "Retrieval/psurf"))
    soundings, _ = read_lite(path)
    expected = column_mean(soundings.apriori_profile, soundings.pressure_weight)
    np.testing.assert_allclose(soundings.apriori_xco2, expected)
    np.testing.assert_allclose(soundings.surface_pressure, 1000.0)


def test_good_soundings_without_a_value_are_left_out_with_a_warning(write_lite, caplog):
    path = write_lite(OCO2, *PLACES, np.array([410, -999999, 411, 412.0]))
    soundings, _ = read_lite(path)
    np.testing.assert_allclose(soundings.xco2, [410, 411, 412])
    assert "1 good soundings lack a value" in caplog.text


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ({"leave_out": ("xco2_averaging_kernel",)}, "xco2_averaging_kernel: no such variable"),
        ({"leave_out": ("xco2",)}, "xco2: no such variable"),
        ({"leave_out": ("xco2_quality_flag",)}, "--accept-unflagged"),
        ({"units": {"xco2": "kg"}}, "not a mole fraction"),
        ({"units": {"xco2": "mol mol-1"}}, "contradicted by its values"),
        ({"units": {"pressure_levels": "m"}}, "cannot be converted to 'hPa'"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file_and_the_remedy(write_lite, spoiled, message):
    path = write_lite(OCO2, *PLACES, XCO2, **spoiled)
    with pytest.raises(DataError) as raised:
        read_lite(path)
    text = str(raised.value)
    assert str(path) in text
    assert message in text
    assert "\n" not in text


def test_all_flagged_and_empty_region_are_told_apart(write_lite, region):
    flagged = write_lite(OCO2, *PLACES, XCO2, flag=1)
    with pytest.raises(DataError, match="all 4 soundings are flagged bad"):
        read_lite_files([flagged], region)
    elsewhere = write_lite(OCO3, -PLACES[0], PLACES[1], XCO2)
    with pytest.raises(DataError, match="none of 4 good soundings lies in the region"):
        read_lite_files([elsewhere], region)
    assert len(read_lite_files([elsewhere, flagged])) == 4


def test_a_file_that_is_no_lite_file_is_refused(tmp_path):
    path = tmp_path / OCO2
    path.write_bytes(b"\x89HDF\r\n\x1a\n truncated")
    with pytest.raises(DataError, match="truncated or damaged"):
        read_lite(path)
    with pytest.raises(DataError, match="no such file"):
        lite_sensor(tmp_path / "column.nc")


def test_the_real_oco2_file_is_read(real_lite_file):
    assert lite_sensor(real_lite_file) == "oco2"
    assert lite_day(real_lite_file) == np.datetime64("2015-01-31")
    with pytest.raises(DataError, match="xco2_quality_flag"):
        read_lite(real_lite_file)
    soundings, tally = read_lite(real_lite_file, accept_unflagged=True)
    assert tally.kept == len(soundings) == 1
    assert soundings.xco2[0] == pytest.approx(399.24, abs=1e-4)
    assert soundings.surface_pressure[0] == pytest.approx(1012.8667, abs=1e-3)
    # The weights of the levels are those of the air between them, space to surface.
    assert soundings.pressure_weight.sum() == pytest.approx(1, abs=1e-5)
    assert soundings.apriori_xco2[0] == pytest.approx(402.0, abs=1.0)
