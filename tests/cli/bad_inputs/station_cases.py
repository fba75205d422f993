"""Lists of sites, ObsPack files, texts and tables of stations."""

import grid_files
import numpy as np
import station_writers as writers
from bad_input import Group
from inputs import CARBONTRACKER, FLASK, GRID, STATIONS, TOWER, days, hours, obspack, sites

LIST = f"{CARBONTRACKER} --stations stations.csv"
SITES = Group("Lists of sites", LIST)
OBSERVED = Group("Observations at stations", STATIONS)
HEADER = "code,name,latitude,longitude,elevation_masl\n"


def stations_are(*places):
    """The stations of the store, as (code, latitude, longitude), all with finite CO2."""

    def check(store, clean):
        found = zip(
            *(store[f"station_{k}"].values for k in ("code", "latitude", "longitude")), strict=True
        )
        assert sorted((str(c), float(n), float(e)) for c, n, e in found) == sorted(places)
        assert np.isfinite(store["co2s_station"]).any("time").all()

    return check


@SITES.refused("An empty list of stations (0 bytes)")
def zero_bytes(folder):
    sites(folder, "")


@SITES.refused("A list of stations with a header alone")
def header_alone(folder):
    sites(folder, HEADER)


@SITES.refused("A column with a wrong name")
def wrong_column(folder):
    sites(folder, "code,name,northing,longitude\nMLO,Mauna Loa,19.5,-155.6\n")


@SITES.refused("A latitude that is no number")
def no_number(folder):
    sites(folder, HEADER + "MLO,Mauna Loa,19.5N,-155.6,3397\n")


@SITES.refused("A latitude of 195 degrees")
def no_place(folder):
    sites(folder, HEADER + "MLO,Mauna Loa,195,-155.6,3397\n")


@SITES.refused("One code at two places")
def repeated_code(folder):
    sites(folder, HEADER + "AAA,one,10,20,0\nAAA,two,40,20,0\n")


@SITES.refused("A row with a cell too many")
def ragged(folder):
    sites(folder, HEADER + "MLO,Mauna Loa, Hawaii,19.5,-155.6,3397\n")


@SITES.refused("A list that is not UTF-8")
def latin(folder):
    sites(folder, HEADER + "ZRH,Zürich,47.4,8.5,400\n", encoding="latin-1")


@SITES.handled(
    "Line ends of Windows and a byte order mark", "read", stations_are(("MLO", 19.5, -155.6))
)
def windows(folder):
    sites(
        folder,
        (HEADER + "MLO,Mauna Loa,19.5,-155.6,3397\n").replace("\n", "\r\n"),
        encoding="utf-8-sig",
    )


@SITES.handled(
    "Stations at a pole and on the dateline",
    "sampled there",
    stations_are(("SPO", -90.0, 0.0), ("NPO", 90.0, 0.0), ("FJI", -17.0, -180.0)),
)
def pole_and_dateline(folder):
    sites(
        folder,
        HEADER
        + "SPO,South Pole,-90,0,2810\nNPO,North Pole,90,0,0\nFJI,on the dateline,-17,180,5\n",
    )


@SITES.handled("A longitude of 350 degrees", "taken as -10", stations_are(("MHD", 53.3, -10.0)))
def east_of_greenwich(folder):
    sites(folder, HEADER + "MHD,Mace Head,53.3,350,5\n")


@SITES.handled(
    "A station without position", "left out of the map", stations_are(("MLO", 19.5, -155.6))
)
def no_position(folder):
    sites(folder, HEADER + "MLO,Mauna Loa,19.5,-155.6,3397\nXXX,somewhere,,,\n")


@SITES.refused("Stations that are not there")
def no_list(folder):
    days(folder)


@SITES.refused(
    "A NetCDF file that holds no stations",
    command=CARBONTRACKER,
    more="--stations CT2022.molefrac_glb3x2_2010-01-01.nc",
)
def no_station_file(folder):
    days(folder)


@OBSERVED.refused("An empty folder of stations")
def empty_folder(folder):
    days(folder)
    (folder / "stations").mkdir()


@OBSERVED.refused("A truncated ObsPack file")
def truncated(folder):
    days(folder)
    path = obspack(folder)
    path.write_bytes(path.read_bytes()[:3000])


@OBSERVED.refused("ObsPack files of another gas")
def another_gas(folder):
    days(folder)
    obspack(folder, FLASK.replace("co2", "ch4"), value=1.9e-6)


@OBSERVED.refused("Every measurement rejected by its flags")
def all_rejected(folder):
    days(folder)
    obspack(folder, qcflag=["N.."] * 48)


@OBSERVED.refused("ObsPack in mol mol-1, labelled ppm")
def fraction_as_ppm(folder):
    days(folder)
    obspack(folder, units="ppm")


@OBSERVED.refused("ObsPack in ppm, labelled mol mol-1")
def ppm_as_fraction(folder):
    days(folder)
    obspack(folder, value=400.0)


@OBSERVED.refused("ObsPack without units")
def no_units(folder):
    days(folder)
    obspack(folder, units="")


@OBSERVED.refused("Observations of other years")
def other_years(folder):
    days(folder)
    obspack(folder, time=hours(start="1999-01-01T00:00:00"))


@OBSERVED.handled(
    "Negative mole fractions in ObsPack", "left out", stations_are(("MID", 45.0, 7.5))
)
def negative(folder):
    days(folder)
    obspack(folder, value=np.where(np.arange(48) == 5, -4e-4, 4e-4))


@OBSERVED.handled(
    "A fill value of -999.99 that is not declared", "missing", stations_are(("MID", 45.0, 7.5))
)
def undeclared_fill(folder):
    days(folder)
    obspack(folder, value=np.where(np.arange(48) == 5, -999.99, 4e-4))


def highest_counts(store, clean):
    stations_are(("LEF", 45.0, 7.5))(store, clean)
    values = store["co2s_station"].values
    np.testing.assert_allclose(values[np.isfinite(values)], 410, rtol=1e-6)


@OBSERVED.handled("Two heights at a site", "the highest counts", highest_counts)
def two_heights(folder):
    days(folder)
    for height, value in ((30, 3.9e-4), (396, 4.1e-4)):
        name = TOWER.replace("396", str(height))
        obspack(folder, name, value=value, intake_height=np.full(48, height, "f4"))


@OBSERVED.handled("One measurement twice", "averaged", stations_are(("MID", 45.0, 7.5)))
def repeated(folder):
    days(folder)
    obspack(folder, time=np.sort(np.append(hours(47), hours(1))))


@OBSERVED.handled(
    "One site in two selections", "the representative one counts", stations_are(("MID", 45.0, 7.5))
)
def two_selections(folder):
    days(folder)
    obspack(folder)
    obspack(folder, FLASK.replace("representative", "allvalid"), value=5e-4)


@OBSERVED.handled(
    "A ship among the stations", "left out of the map", stations_are(("MID", 45.0, 7.5))
)
def ship(folder):
    days(folder)
    obspack(folder)
    obspack(folder, "co2_poc_shipboard-flask_1_representative", latitude=np.linspace(-30, 30, 48))


@OBSERVED.handled(
    "A folder that holds a link to itself", "followed once", stations_are(("MID", 45.0, 7.5))
)
def link_to_itself(folder):
    days(folder)
    obspack(folder)
    (folder / "stations/again").symlink_to(folder / "stations")


@OBSERVED.handled(
    "Texts beside the station files that are none", "left out", stations_are(("MID", 45.0, 7.5))
)
def other_texts(folder):
    days(folder)
    obspack(folder)
    (folder / "stations/readme.txt").write_text("cite us\n")


@OBSERVED.refused("Monthly means for three-hourly frames")
def monthly(folder):
    for day in ("2010-01-15", "2010-01-16", "2010-01-17"):
        grid_files.carbontracker(folder, day, **GRID)
    (folder / "stations").mkdir()
    writers.write_month(
        folder / "stations/co2_mhd_surface-flask_1_ccgg_month.txt", [(2010, 1, 390.0)], site="MHD"
    )


TABLE = "data prepare stations --input table.csv --output observations.nc"


def _table(folder, text):
    (folder / "table.csv").write_text(text)


@OBSERVED.refused("A monthly table with one month twice", command=TABLE)
def month_twice(folder):
    _table(folder, "code,latitude,longitude,2000-01-15,2000-01-16\nMLO,19.5,-155.6,370,371\n")


@OBSERVED.refused("A monthly table with a wrong column name", command=TABLE)
def wrong_table_column(folder):
    _table(folder, "station,latitude,longitude,2000-01-15\nMLO,19.5,-155.6,370\n")


@OBSERVED.refused("A monthly table with a word for a value", command=TABLE)
def word_for_a_value(folder):
    _table(folder, "code,latitude,longitude,2000-01-15\nMLO,19.5,-155.6,n/a\n")


@OBSERVED.refused(
    "A line of NOAA's text that was cut off",
    command=TABLE.replace("table.csv", "co2_xyz_surface-flask_1_ccgg_month.txt"),
)
def cut_line(folder):
    path = writers.write_month(
        folder / "co2_xyz_surface-flask_1_ccgg_month.txt", [(2010, 1, 390.0), (2010, 2, 391.0)]
    )
    path.write_text(path.read_text()[:-10])


@OBSERVED.refused(
    "A date in NOAA's text that does not exist",
    command=TABLE.replace("table.csv", "co2_xyz_surface-flask_1_ccgg_event.txt"),
)
def no_such_date(folder):
    writers.write_event(
        folder / "co2_xyz_surface-flask_1_ccgg_event.txt", [("2010-02-30T12:00:00", 390.0, "...")]
    )
