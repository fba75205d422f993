"""NOAA's text files: events with their flags, months, and lines that are wrong."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.errors import DataError
from co2net_phys.products import noaa_text
from co2net_phys.products.observation_flags import SELECTIONS
from co2net_phys.products.observation_raster import at_times
from co2net_phys.products.observations import observation_table

sys.path.insert(0, str(Path(__file__).parent))
writers = importlib.import_module("station_writers")

DEFAULT, VALID = SELECTIONS["representative"], SELECTIONS["valid"]
EVENT, MONTH = "co2_xyz_surface-flask_1_ccgg_event.txt", "co2_xyz_surface-flask_1_ccgg_month.txt"
ROWS = [
    ("2016-02-29T23:59:59", 400.0, "..."),
    ("2016-03-01T00:00:00", -999.99, "*.."),
    ("2016-03-02T00:00:00", 401.0, "+.."),
    ("2016-03-03T00:00:00", 402.0, ".X."),
    ("2016-03-04T00:00:00", 403.0, "..L"),
]


def test_events_with_times_flags_places_and_heights(tmp_path):
    path = writers.write_event(tmp_path / EVENT, ROWS)
    ((series, records),), dropped = noaa_text.read(path, "co2", DEFAULT)
    assert records.time.astype(str).tolist() == ["2016-02-29T23:59:59", "2016-03-04T00:00:00"]
    assert records.value.tolist() == [400, 403]
    assert set(records.standard_deviation) == {0.07}
    assert (series.site, series.elevation, series.series_height) == ("XYZ", 5, 21)
    assert (series.site_latitude, series.site_longitude) == (53.326, -9.899)
    expected = {"missing value": 1, "rejected by flag": 1, "not background by flag": 1}
    assert +dropped == expected
    ((_, records),), _ = noaa_text.read(path, "co2", VALID)
    assert records.value.tolist() == [400, 402, 403]


def test_columns_may_be_named_in_the_last_line_of_the_header(tmp_path):
    path = tmp_path / EVENT
    path.write_text(
        "# header_lines : 2\nsite_code year month day hour minute second value value_unc latitude "
        "longitude altitude elevation intake_height qcflag\n"
        "XYZ 2020 1 2 3 4 5 412.5 0.1 10.0 -99.99 30.0 10.0 20.0 ...\n"
    )
    ((series, records),), _ = noaa_text.read(path, "co2", DEFAULT)
    assert (records.value[0], str(records.time[0])) == (412.5, "2020-01-02T03:04:05")
    assert series.site_longitude == -99.99, "a longitude, not a fill value"


def test_months_are_centred_and_placed_by_the_packaged_network(tmp_path, caplog):
    path = writers.write_month(tmp_path / MONTH, [(2016, 2, 400.0), (2016, 12, 401.0)], site="MHD")
    ((series, records),), _ = noaa_text.read(path, "co2", DEFAULT)
    assert records.time.astype(str).tolist() == ["2016-02-15T12:00:00", "2016-12-16T12:00:00"]
    assert series.is_monthly_mean
    assert series.site_latitude == pytest.approx(53.326, abs=0.01)
    writers.write_month(path, [(2016, 2, 400.0)], site="QQQ")
    ((series, _),), _ = noaa_text.read(path, "co2", DEFAULT)
    assert np.isnan(series.site_latitude)
    assert "does not say where QQQ is" in caplog.text


def test_the_months_of_events_are_the_monthly_file_within_its_rounding(tmp_path):
    rng = np.random.default_rng(0)
    months = np.arange("2015-01", "2017-01", dtype="datetime64[M]")
    events, means = [], []
    for month in months:
        last = int(((month + 1).astype("M8[D]") - month.astype("M8[D]")).astype(int))
        days = np.sort(rng.choice(last, 4, replace=False))
        values = np.round(400 + rng.normal(size=4), 2)
        times = month.astype("M8[D]") + days
        events += [(f"{t}T23:30:00", v, "...") for t, v in zip(times, values, strict=True)]
        number = month.astype(int)
        means.append((1970 + number // 12, 1 + number % 12, values.mean()))
    event = noaa_text.read(writers.write_event(tmp_path / EVENT, events), "co2", DEFAULT)[0]
    month = noaa_text.read(writers.write_month(tmp_path / MONTH, means), "co2", DEFAULT)[0]
    frames = months.astype("M8[s]") + np.timedelta64(14, "D")
    (of_events,) = at_times(observation_table("co2", event), frames)["co2s_station"].values.T
    of_months = month[0][1].value
    assert of_months.size == 24
    np.testing.assert_allclose(of_events, of_months, rtol=0, atol=0.005 + 4e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("data_fields", "fields"), "names no columns"),
        (lambda text: text.replace(" 400.000", " 4OO.OOO"), "line 4: value is '4OO.OOO'"),
        (lambda text: text.replace("2016 02 29", "2016 02 30"), "line 4: the date does not exist"),
        (lambda text: text.replace("2016 03 04", "2016 xx 04"), "line 8: month is 'xx'"),
        (lambda text: text[:-30], "line 8: has 24 columns where the header names 27"),
        (lambda text: text.replace("co2 ", "ch4 "), "of CH4, not of CO2"),
        (lambda text: text.replace("XYZ 2016 02", "ABC 2016 02"), "holds 2 sites"),
        (lambda text: "\n".join(text.splitlines()[:3]), "holds no measurement"),
    ],
)
def test_wrong_files_are_explained_in_one_line(tmp_path, change, message):
    path = writers.write_event(tmp_path / EVENT, ROWS)
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError) as caught:
        noaa_text.read(path, "co2", VALID)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_units_are_refused_and_given_ones_taken(tmp_path, caplog):
    rows = [(2016, 1, 0.41), (2016, 2, -0.41)]
    path = writers.write_month(tmp_path / MONTH, rows)
    with pytest.raises(DataError, match=r"contradicted by its values.*pass --units"):
        noaa_text.read(path, "co2", DEFAULT)
    ((_, records),), dropped = noaa_text.read(path, "co2", DEFAULT, units="1e-3")
    np.testing.assert_allclose(records.value, [410])
    assert dropped["negative"] == 1
    assert "has 1 mole fractions that are not positive" in caplog.text
