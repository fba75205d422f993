"""CSV tables: monthly means, lists of stations, and what is wrong with them."""

import numpy as np
import pytest

from co2net_phys.errors import DataError
from co2net_phys.products import station_table

HEADER = "sitecode,lon,lat,file,2000-01-15,2000-02-15,2000-03-15\n"
FIRST = "MLO,-155.58,19.54,co2_mlo_surface-insitu_1_allvalid.nc,368.5,,369.25\n"


def write(tmp_path, text, **options):
    path = tmp_path / "table.csv"
    path.write_text(text, **{"encoding": "utf-8", **options})
    return path


def test_monthly_means_with_gaps(tmp_path):
    second = "\n# comment\nxyz,190,-10,co2_xyz_tower-insitu_2_allvalid-90magl.nc,,,\n"
    parts, dropped = station_table.read(write(tmp_path, HEADER + FIRST + second), "co2")
    (series, records), (other, none) = parts
    assert records.value.tolist() == [368.5, 369.25]
    assert records.time.astype(str).tolist() == ["2000-01-15T00:00:00", "2000-03-15T00:00:00"]
    assert (series.site_name, series.elevation) == ("Mauna Loa, Hawaii, United States", 3397)
    assert series.is_monthly_mean
    assert (other.site, other.site_longitude, other.series_height) == ("XYZ", -170, 90)
    assert none.time.size == 0
    assert not +dropped


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig"])
def test_a_list_of_stations_is_series_without_measurements(tmp_path, mark):
    text = "code,name,latitude,longitude,elevation_masl\nAA,Ä place,-90,0,\nBB,b,1,180,5\n"
    parts, _ = station_table.read(write(tmp_path, text, encoding=mark), "co2")
    assert [(s.site, s.site_name, s.site_latitude, s.site_longitude) for s, _ in parts] == [
        ("AA", "Ä place", -90, 0),
        ("BB", "b", 1, -180),
    ]
    assert np.isnan(parts[0][0].elevation)
    assert all(records.time.size == 0 for _, records in parts)


def test_fills_for_places_and_values_are_missing_and_said(tmp_path, caplog):
    rows = "POC,-1e+34,-1e+34,x,380,-999.99,-5\n"
    ((_, _), (series, records)), dropped = station_table.read(
        write(tmp_path, HEADER + FIRST + rows), "co2"
    )
    assert np.isnan(series.site_latitude)
    assert records.value.tolist() == [380]
    assert dropped["negative"] == 1
    assert "no position for POC" in caplog.text
    assert "1 mole fractions that are not positive" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 'code' is missing"),
        ("sitecode,lat,2000-01-15\nA,1,380\n", "column 'longitude' is missing"),
        (HEADER, "holds no station"),
        (HEADER + FIRST.replace("369.25", "n/a"), "line 2: column '2000-03-15' is 'n/a'"),
        (HEADER + FIRST.replace(",,", ","), "line 2: has 6 cells where the header names 7"),
        (HEADER + FIRST.replace("19.54", "95"), "line 2: latitude 95"),
        (HEADER + FIRST.replace("-155.58", "-200"), "longitude -200"),
        (HEADER + FIRST.replace("MLO", "M LO"), "line 2: the code 'M LO' holds a blank"),
        (HEADER + FIRST.replace("MLO", ""), "line 2: the code is empty"),
        (HEADER + FIRST.replace("co2_", "ch4_"), "is of CH4, not of CO2"),
        (HEADER.replace("02-15", "01-20") + FIRST, "several columns lie in 2000-01"),
        (HEADER + "A,1,2,x,0.0004,,0.0004\n", "contradicted by its values"),
    ],
)
def test_bad_tables_are_explained_in_one_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        station_table.read(path, "co2")
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_tables(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        station_table.read(tmp_path / "absent.csv", "co2")
    with pytest.raises(DataError, match="not UTF-8"):
        station_table.read(write(tmp_path, "code,Å\n", encoding="latin-1"), "co2")


def test_given_units(tmp_path):
    path = write(tmp_path, HEADER + "A,1,2,x,0.0004,,0.0005\n")
    ((_, records),), _ = station_table.read(path, "co2", "mol mol-1")
    np.testing.assert_allclose(records.value, [400, 500])
