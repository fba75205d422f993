"""The packaged network holds what it claims, user files are checked, and the split is stable."""

import math
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.data.regions import region_mask
from co2net_phys.data.stations import Station, load_stations, split_stations
from co2net_phys.errors import DataError, UsageError

HEADER = "code,name,latitude,longitude,elevation_masl\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sites.csv"
    path.write_text(text, encoding="utf-8")
    return path


def distance_km(a: Station, b: Station) -> float:
    lat_a, lat_b = math.radians(a.latitude), math.radians(b.latitude)
    lon = math.radians(a.longitude - b.longitude)
    cosine = math.sin(lat_a) * math.sin(lat_b) + math.cos(lat_a) * math.cos(lat_b) * math.cos(lon)
    return 6371 * math.acos(min(1.0, cosine))


def test_network_has_96_distinct_sites_in_every_part_of_the_world() -> None:
    stations = load_stations()
    assert len(stations) == 96
    assert {"MLO", "BRW", "SPO", "SMO", "CGO", "ALT", "MHD", "ZEP", "NWR", "WLG", "UUM"} <= {
        station.code for station in stations
    }
    pairs = [(a, b) for i, a in enumerate(stations) for b in stations[:i]]
    assert min(distance_km(a, b) for a, b in pairs) > 1.0
    for south in range(-90, 90, 30):
        assert sum(south <= station.latitude < south + 30 for station in stations) >= 5


def test_famous_sites_are_where_they_are() -> None:
    sites = {station.code: station for station in load_stations()}
    assert sites["MLO"].latitude == pytest.approx(19.536, abs=0.01)
    assert sites["MLO"].longitude == pytest.approx(-155.576, abs=0.01)
    assert sites["MLO"].elevation_masl == 3397
    assert sites["CGO"].longitude == pytest.approx(144.69, abs=0.01)
    assert sites["SPO"].latitude == pytest.approx(-89.98)


@pytest.mark.parametrize(
    ("code", "region"),
    [
        ("LEF", "north-america"),
        ("ATO", "south-america"),
        ("MKN", "africa"),
        ("HUN", "europe"),
        ("WLG", "asia"),
        ("AZV", "asia"),
        ("ARA", "australia"),
        ("SPO", "antarctica"),
        ("AMS", "ocean"),
        ("MNM", "ocean"),
    ],
)
def test_coordinates_agree_with_the_continents(code: str, region: str) -> None:
    site = next(station for station in load_stations() if station.code == code)
    latitude, longitude = np.arange(-89.5, 90), np.arange(-179.5, 180)
    row = np.abs(latitude - site.latitude).argmin()
    column = np.abs(longitude - site.longitude).argmin()
    assert region_mask(region, latitude, longitude)[row, column]


def test_split_ignores_the_order_of_the_file_and_depends_on_the_seed() -> None:
    stations = load_stations()
    training, held_out = split_stations(stations, seed=3)
    assert (len(training), len(held_out)) == (72, 24)
    assert {*training, *held_out} == set(stations)
    assert split_stations(stations[::-1], seed=3) == (training, held_out)
    assert split_stations(stations, seed=4) != (training, held_out)


def test_split_stays_the_same_across_releases() -> None:
    sites = [Station(code, "", 0.0, float(i), 0.0) for i, code in enumerate("ABCDEF")]
    _, held_out = split_stations(sites, seed=0, training=4)
    assert [station.code for station in held_out] == ["A", "B"]


@pytest.mark.parametrize("training", [0, 96, -1])
def test_split_needs_stations_on_both_sides(training: int) -> None:
    with pytest.raises(UsageError, match="choose 1 to 95"):
        split_stations(load_stations(), seed=0, training=training)


def test_user_file_with_comments_mark_extra_columns_and_eastern_longitudes(tmp_path: Path) -> None:
    table = "longitude,code,latitude,elevation_masl,name,country\n204.4,XX,19.5,3,Ä,US\n"
    (station,) = load_stations(write(tmp_path, "# mine\n\n" + table))
    assert (station.code, station.name, station.latitude) == ("XX", "Ä", 19.5)
    assert station.longitude == pytest.approx(-155.6)
    marked = tmp_path / "from_a_spreadsheet.csv"
    marked.write_text(table, encoding="utf-8-sig")
    assert load_stations(marked) == (station,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code,name,latitude,longitude\n", "column 'elevation_masl' is missing"),
        ("", "column 'code' is missing"),
        (HEADER, "holds no station"),
        ("# c\n" + HEADER + "\nA,a,91,0,0\n", "line 4: latitude is '91'"),
        (HEADER + "A,a,1,-181,0\n", "line 2: longitude is '-181'"),
        (HEADER + "A,a,nan,0,0\n", "line 2: latitude is 'nan'"),
        (HEADER + "A,a,1,0,\n", "line 2: elevation_masl is ''"),
        (HEADER + "A,a,1,0\n", "line 2: elevation_masl is None"),
        (HEADER + ",a,1,0,0\n", "line 2: the code is empty"),
        (HEADER + "A B,a,1,0,0\n", "line 2: the code 'A B' holds a blank"),
        (HEADER + "A,a,1,0,0\nB,b,2,0,0\nA,c,3,0,0\n", "line 4: the code 'A' repeats line 2"),
        (HEADER + "A,a,1,0,0\nB,b,1,360,0\n", "line 3: the position repeats line 2"),
    ],
)
def test_bad_files_are_explained_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        load_stations(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the stations"):
        load_stations(tmp_path / "absent.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("Å".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        load_stations(latin)
