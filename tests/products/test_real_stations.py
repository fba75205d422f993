"""Real station files: ObsPack CH4 at ESP, NOAA CO2 at MLO, MHD and CGO, a table of months."""

import csv
import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from co2net_phys.data.schema import STATION_CO2
from co2net_phys.errors import DataError
from co2net_phys.products import noaa_text, obspack, station_files
from co2net_phys.products.observation_flags import SELECTIONS
from co2net_phys.products.observation_raster import STATION_COUNT, at_times
from co2net_phys.products.observations import instants

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
CH4, EVENT, TABLE = (
    DATA / "obspack" / name
    for name in (
        "ch4_esp_surface-flask_2_representative.nc",
        "co2_mlo_surface-flask_1_ccgg_event.txt",
        "station_co2_monthly_2000-2012.csv",
    )
)
MONTH = {s: DATA / f"obspack/co2_{s}_surface-flask_1_ccgg_month.txt" for s in ("mhd", "cgo")}
pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in (CH4, EVENT, TABLE, *MONTH.values())),
    reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA",
)
DEFAULT = SELECTIONS["representative"]
MONTHS = np.arange("2000-01", "2013-01", dtype="M8[M]").astype("M8[D]").astype("M8[s]") + 14 * 86400


def test_the_obspack_file_to_the_second_and_to_the_last_digit():
    ((series, records),), dropped = obspack.read(CH4, "ch4", DEFAULT)
    with netCDF4.Dataset(CH4) as file:
        components, value = file["time_components"][:], file["value"][:].astype("f8")
        deviation = file["value_std_dev"][:].astype("f8").filled(np.nan)
    expected, valid = instants(components)
    assert valid.all()
    np.testing.assert_array_equal(records.time, expected)
    np.testing.assert_allclose(records.value, value * 1e9, rtol=1e-12)
    np.testing.assert_allclose(records.standard_deviation, deviation * 1e9, rtol=1e-12)
    assert 1700 < records.value.min() < records.value.max() < 2000, "nmol mol-1"
    assert (records.time.size, +dropped) == (109, {})
    assert (series.site, series.elevation, series.series_height) == ("ESP", 7, 40)
    assert not series.is_mobile
    with pytest.raises(DataError, match="of CH4, not of CO2; leave the file out"):
        obspack.read(CH4, "co2", DEFAULT)


def test_the_events_of_mauna_loa():
    lines = [line.split() for line in EVENT.read_text().splitlines() if not line.startswith("#")]
    usable = [row for row in lines if row[13][:2] == ".." and float(row[11]) > 0]
    ((series, records),), dropped = noaa_text.read(EVENT, "co2", DEFAULT)
    assert records.value.tolist() == [float(row[11]) for row in usable]
    first = usable[0]
    assert str(records.time[0]) == "{}-{}-{}T{}:{}:{}".format(*first[1:7])
    assert records.time.size + sum(dropped.values()) == len(lines)
    assert not series.is_mobile


@pytest.mark.parametrize("site", MONTH)
def test_the_months_of_mace_head_and_cape_grim(site):
    rows = [line.split() for line in MONTH[site].read_text().splitlines() if line[0] != "#"]
    ((series, records),), _ = noaa_text.read(MONTH[site], "co2", DEFAULT)
    assert records.value.tolist() == [float(row[3]) for row in rows]
    months = records.time.astype("M8[M]").astype(str).tolist()
    assert months == [f"{row[1]}-{int(row[2]):02d}" for row in rows]
    assert np.isfinite(series.site_latitude)


def test_the_monthly_table_keeps_its_185_datasets_and_every_value():
    with TABLE.open() as stream:
        _, *rows = csv.reader(stream)
    table = station_files.read([TABLE])
    assert table.sizes["series"] == len(rows) == 185
    values = [float(cell) for row in rows for cell in row[4:] if cell]
    np.testing.assert_allclose(table["co2"], values, rtol=1e-15)
    assert int(table["site_latitude"].isnull().sum()) == 3
    data = at_times(table, MONTHS)
    placed = [row for row in rows if float(row[1]) > -1e3 and any(row[4:])]
    ships = [row[0] for row in placed if "shipboard" in row[3]]
    assert data.sizes == {"time": 156, "station": len(placed) - len(ships)}
    column = {row[0]: row[4:] for row in rows}["MLO"]
    expected = np.array([float(cell) if cell else np.nan for cell in column], "f4")
    np.testing.assert_array_equal(data[STATION_CO2].sel(station=_position(data, "MLO")), expected)


def test_the_flasks_of_mauna_loa_agree_with_the_monthly_means_of_its_analyser():
    """Another method at the same site, so within its scatter and not within a rounding."""
    events = at_times(station_files.read([EVENT]), MONTHS)
    monthly = at_times(station_files.read([TABLE]), MONTHS)
    flasks = events[STATION_CO2].values[:, 0]
    analyser = monthly[STATION_CO2].values[:, _position(monthly, "MLO")]
    difference = (flasks - analyser)[np.isfinite(flasks - analyser)]
    assert difference.size > 100
    assert abs(difference.mean()) < 0.2
    assert np.sqrt((difference**2).mean()) < 0.6
    assert int(events[STATION_COUNT].min()) >= 1


def _position(data, code):
    return data["station_code"].values.tolist().index(code)
