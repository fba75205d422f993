import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr
import zarr

from co2net_phys.data.atomic import atomic_write_bytes, atomic_write_text
from co2net_phys.data.fields import read_field
from co2net_phys.data.output_layout import (
    OutputVariable,
    TimeEncoding,
    latitude_longitude_template,
    station_coordinates,
)
from co2net_phys.data.stations import Station
from co2net_phys.data.writer import StreamingWriter, write_dataset
from co2net_phys.errors import DataError, UsageError
from co2net_phys.provenance import provenance_attributes

LATITUDE = np.linspace(-88.0, 88.0, 45)
LONGITUDE = np.arange(0.0, 360.0, 4.0)
START = np.datetime64("2016-11-20T00:00")
CO2 = OutputVariable(
    {
        "standard_name": "mole_fraction_of_carbon_dioxide_in_air",
        "long_name": "surface CO2 (ppm, dry air)",
        "units": "1e-6",
    }
)
AREA = OutputVariable(
    {"standard_name": "cell_area", "long_name": "area of the grid cell", "units": "m2"},
    ("latitude", "longitude"),
)
both_formats = pytest.mark.parametrize("name", ["air.nc", "air.zarr"])


def template() -> xr.Dataset:
    return latitude_longitude_template(
        LATITUDE, LONGITUDE, np.linspace(-90.0, 90.0, 46), np.arange(-2.0, 359.0, 4.0)
    )


def writer(path: Path, **options: object) -> StreamingWriter:
    settings: dict[str, object] = {
        "template": template(),
        "variables": {"co2s": CO2, "areacella": AREA},
        "attributes": {"title": "a test"},
        "encoding": TimeEncoding(START),
        "records_per_chunk": 4,
    }
    return StreamingWriter(path, **(settings | options))


def record(number: int) -> np.ndarray:
    values = np.random.default_rng(number).random((45, 90), dtype=np.float32) + 400
    values[0, number] = np.nan
    return values


def write(path: Path, records: int = 10, **options: object) -> None:
    with writer(path, **options) as output:
        output.write_static("areacella", np.full((45, 90), 2.0))
        for number in range(records):
            output.append(START + np.timedelta64(6 * number, "h"), {"co2s": record(number)})


def reopened(path: Path) -> xr.Dataset:
    options = {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}
    return xr.open_dataset(path, **options)


@both_formats
@pytest.mark.filterwarnings("error")
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / "folder" / name
    write(path)
    with reopened(path) as data:
        expected = np.stack([record(number) for number in range(10)])
        np.testing.assert_array_equal(data["co2s"].values, expected)
        np.testing.assert_array_equal(data["areacella"].values, 2.0)
        hours = np.timedelta64(6, "h") * np.arange(10)
        np.testing.assert_array_equal(data["time"].values, START + hours)
        np.testing.assert_array_equal(data["latitude_bnds"].values[0], [-90.0, -86.0])
        np.testing.assert_array_equal(data["longitude_bnds"].values[-1], [354.0, 358.0])
        assert data["co2s"].dims == ("time", "latitude", "longitude")
        assert data["co2s"].dtype == np.float32
        assert data["co2s"].encoding["_FillValue"] == np.float32(1e20)
        assert data["co2s"].attrs["cell_methods"] == "time: point"
        assert data["time"].encoding["units"] == "hours since 2016-11-20 00:00:00"
        assert data["latitude"].attrs["axis"] == "Y"
        assert data["latitude"].attrs["bounds"] == "latitude_bnds"
        for coordinate in ("time", "latitude", "longitude", "latitude_bnds", "longitude_bnds"):
            assert "_FillValue" not in data[coordinate].encoding
        assert data.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
        assert data.attrs["title"] == "a test"
        assert data.attrs["geospatial_lat_max"] == 88.0
        assert data.attrs["time_coverage_start"] == "2016-11-20T00:00:00Z"
        assert data.attrs["time_coverage_end"] == "2016-11-22T06:00:00Z"
        assert data.attrs["time_coverage_duration"] == "PT194400S"
    assert os.listdir(path.parent) == [name]


def test_netcdf_layout(tmp_path: Path) -> None:
    write(tmp_path / "air.nc")
    with reopened(tmp_path / "air.nc") as data:
        encoding = data["co2s"].encoding
        assert encoding["chunksizes"] == (1, 45, 90)
        assert (encoding["zlib"], encoding["complevel"], encoding["shuffle"]) == (True, 4, True)
        assert data.encoding["unlimited_dims"] == {"time"}


def test_zarr_layout(tmp_path: Path) -> None:
    write(tmp_path / "air.zarr")
    group = zarr.open_group(tmp_path / "air.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    assert group["co2s"].chunks == (4, 45, 90)
    assert group["co2s"].shape == (10, 45, 90)


@both_formats
def test_our_reader_reads_what_we_write(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    field = read_field(tmp_path / name, "areacella")
    np.testing.assert_array_equal(field.record(), 2.0)
    np.testing.assert_array_equal(field.latitude, LATITUDE)


@both_formats
def test_other_calendars_survive(tmp_path: Path, name: str) -> None:
    start = cftime.DatetimeNoLeap(2001, 2, 28, 12)
    with writer(tmp_path / name, variables={"co2s": CO2}, encoding=TimeEncoding(start)) as output:
        for day in range(3):
            time = start.replace() + np.timedelta64(day, "D").astype("timedelta64[us]").item()
            output.append(time, {"co2s": record(day)})
    with reopened(tmp_path / name) as data:
        assert data["time"].values[1] == cftime.DatetimeNoLeap(2001, 3, 1, 12)


@both_formats
def test_stations(tmp_path: Path, name: str) -> None:
    sites = [
        Station("MLO", "Mauna Loa", 19.5, -155.6, 3397.0),
        Station("SPO", "South Pole", -90.0, -24.8, 2810.0),
    ]
    stations = xr.Dataset(coords=station_coordinates(sites))
    series = OutputVariable(dict(CO2.attributes), ("time", "station"))
    with writer(tmp_path / name, template=stations, variables={"co2": series}) as output:
        for hour in range(6):
            output.append(START + np.timedelta64(hour, "h"), {"co2": np.array([400.0, 390 + hour])})
    with reopened(tmp_path / name) as data:
        np.testing.assert_array_equal(data["co2"].values[:, 1], 390.0 + np.arange(6))
        assert list(data["station_code"].values) == ["MLO", "SPO"]
        assert list(data["station_name"].values) == ["Mauna Loa", "South Pole"]
        assert list(data["station_elevation"].values) == [3397.0, 2810.0]
        assert "station_code" in data["co2"].coords


@both_formats
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_leaves_nothing(
    tmp_path: Path, name: str, error: type[BaseException]
) -> None:
    with pytest.raises(error), writer(tmp_path / name) as output:
        for number in range(6):
            output.append(START + np.timedelta64(number, "h"), {"co2s": record(number)})
        raise error("stop")
    assert os.listdir(tmp_path) == []


@both_formats
def test_an_interrupted_overwrite_keeps_the_old_file(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, records=2)
    with pytest.raises(RuntimeError), writer(tmp_path / name, overwrite=True) as output:
        output.append(START, {"co2s": record(5)})
        raise RuntimeError("stop")
    assert os.listdir(tmp_path) == [name]
    with reopened(tmp_path / name) as data:
        np.testing.assert_array_equal(data["co2s"].values[1], record(1))


@both_formats
def test_overwriting_needs_permission(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, records=2)
    with pytest.raises(DataError, match=r"already exists; pass --overwrite"):
        write(tmp_path / name)
    write(tmp_path / name, records=3, overwrite=True)
    with reopened(tmp_path / name) as data:
        assert data.sizes["time"] == 3
    assert os.listdir(tmp_path) == [name]


def test_a_folder_that_is_not_zarr_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "air.zarr").mkdir()
    (tmp_path / "air.zarr" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(DataError, match="is a folder"):
        write(tmp_path / "air.zarr", overwrite=True)
    assert (tmp_path / "air.zarr" / "thesis.txt").read_text() == "irreplaceable"


@both_formats
def test_a_parent_that_is_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "parent").write_text("a file")
    with pytest.raises(DataError, match="a parent is not a folder; choose another --output"):
        write(tmp_path / "parent" / name)


@both_formats
def test_an_unwritable_folder_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write(Path("/proc") / name)


def test_a_device_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "air.nc")
    with pytest.raises(DataError, match="is a device"):
        write(tmp_path / "air.nc", overwrite=True)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"end it in \.nc or \.zarr"):
        writer(tmp_path / "air.txt")


@both_formats
def test_an_output_larger_than_the_disk_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        DataError, match=r"no space left on device \(needs about 1000000000 MB, \d+ MB free\)"
    ):
        write(tmp_path / name, expected_bytes=10**15)
    assert os.listdir(tmp_path) == []


@both_formats
def test_programming_errors_are_refused(tmp_path: Path, name: str) -> None:
    def attempt(*records: tuple[object, dict[str, np.ndarray]]) -> None:
        with writer(tmp_path / name) as output:
            for time, values in records:
                output.append(time, values)

    with pytest.raises(ValueError, match="must have shape"):
        attempt((START, {"co2s": np.zeros((90, 45))}))
    with pytest.raises(ValueError, match="a record needs"):
        attempt((START, {"co2": record(0)}))
    with pytest.raises(ValueError, match="not later"):
        attempt((START, {"co2s": record(0)}), (START, {"co2s": record(0)}))
    with pytest.raises(TypeError, match="different calendars"):
        attempt((cftime.DatetimeNoLeap(2016, 11, 20), {"co2s": record(0)}))
    with pytest.raises(ValueError, match="no record was appended"):
        attempt()
    with pytest.raises(ValueError, match="without time"), writer(tmp_path / name) as output:
        output.write_static("co2s", record(0))
    assert os.listdir(tmp_path) == []


FILL_THE_DISK = textwrap.dedent(
    """
    import resource, signal, sys
    import numpy as np
    from co2net_phys.data.output_layout import *
    from co2net_phys.data.writer import StreamingWriter
    from co2net_phys.errors import DataError

    path, limit = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    edges = np.linspace(-90, 90, 46), np.arange(-2, 359, 4.0)
    template = latitude_longitude_template(
        np.linspace(-88, 88, 45), np.arange(0, 360, 4.0), *edges
    )
    start = np.datetime64("2016-11-20T00:00")
    random = np.random.default_rng(0)
    try:
        with StreamingWriter(
            path,
            template=template,
            variables={"co2s": OutputVariable({"units": "1e-6", "long_name": "CO2"})},
            attributes={},
            encoding=TimeEncoding(start),
            overwrite=True,
        ) as output:
            for hour in range(200):
                values = random.random((45, 90))
                output.append(start + np.timedelta64(hour, "h"), {"co2s": values})
    except DataError as error:
        print(error)
        sys.exit(error.exit_code)
    """
)


def fill_the_disk(path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path), str(limit)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"{path}: no space left on device (")
    assert done.stdout.endswith("choose another --output\n")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no file-size limits on this system")
@pytest.mark.parametrize(
    ("name", "limit"), [("air.nc", 1_000), ("air.nc", 1_000_000), ("air.zarr", 100_000)]
)
def test_a_full_disk_is_explained_and_leaves_the_old_file(
    tmp_path: Path, name: str, limit: int
) -> None:
    write(tmp_path / name, records=2)
    fill_the_disk(tmp_path / name, limit)
    assert os.listdir(tmp_path) == [name]
    with reopened(tmp_path / name) as data:
        np.testing.assert_array_equal(data["co2s"].values[1], record(1))


@both_formats
def test_a_full_file_system_is_explained(tmp_path: Path, name: str) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        fill_the_disk(tmp_path / name, 0)
        assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@both_formats
def test_a_whole_dataset_follows_the_same_rules(tmp_path: Path, name: str) -> None:
    values = np.stack([record(0), record(1)]).astype(np.float64)
    data = template().assign(co2s=(("time", "latitude", "longitude"), values, dict(CO2.attributes)))
    times = [START.astype("datetime64[ns]"), (START + np.timedelta64(1, "D")).astype("M8[ns]")]
    data = data.assign_coords(time=("time", times, {"standard_name": "time", "axis": "T"}))
    write_dataset(data, tmp_path / name)
    with reopened(tmp_path / name) as again:
        np.testing.assert_array_equal(again["co2s"].values, values.astype(np.float32))
        assert again["co2s"].encoding["_FillValue"] == np.float32(1e20)
        np.testing.assert_array_equal(again["time"].values, data["time"].values)
        for coordinate in ("time", "latitude", "latitude_bnds"):
            assert "_FillValue" not in again[coordinate].encoding
        assert again.attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    with pytest.raises(DataError, match="already exists"):
        write_dataset(data, tmp_path / name)
    write_dataset(data.isel(time=[0]), tmp_path / name, overwrite=True)
    with reopened(tmp_path / name) as again:
        assert again.sizes["time"] == 1
    assert os.listdir(tmp_path) == [name]


def test_atomic_text_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "result.json"
    atomic_write_text(path, "µmol")
    assert path.read_bytes() == "µmol".encode()
    with pytest.raises(DataError, match="already exists"):
        atomic_write_bytes(path, b"new", overwrite=False)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match="no space left on device"):
        atomic_write_bytes(path, b"new")
    assert path.read_bytes() == "µmol".encode()
    assert os.listdir(path.parent) == ["result.json"]


def test_cf_and_acdd_compliance(tmp_path: Path) -> None:
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    attributes = provenance_attributes("A test", "Only a test.", ["co2phys"], 1, [], {"steps": 3})
    write(tmp_path / "air.nc", attributes=attributes)
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(tmp_path / "air.nc"))
    results = suite.run_all(dataset, ["cf:1.11", "acdd:1.3"], skip_checks=[])
    dataset.close()
    for checker, (groups, errors) in results.items():
        assert not errors
        weight = 2 if checker.startswith("cf") else 3  # ACDD: everything "highly recommended"
        wrong = [
            m for g in groups if g.weight >= weight and g.value[0] < g.value[1] for m in g.msgs
        ]
        assert wrong == []
        assert groups
