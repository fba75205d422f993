"""Every failure is one line that names the file, an exit code, and nothing left behind."""

import os
import re
import resource
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.data.writer import write_dataset

SIMULATE = ("simulate", "--truncation", "10", "--duration", "6h", "--output", "out/x.nc")
TRAIN = (
    *("train", "--size", "XS", "--frames", "2", "--epochs", "1", "--windows-per-epoch", "4"),
    *("--background", "none", "--output", "out/run"),
)


def refused(done, code, *parts):
    """One line on stderr, with all the parts, and no traceback."""
    lines = [line for line in done.err.splitlines() if not line.startswith("co2phys: warning: ")]
    assert done.code == code, done.err
    assert len(lines) == 1, done.err
    assert lines[0].startswith("co2phys: error: ")
    for part in parts:
        assert part in lines[0]
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    assert done.out == ""


def nothing_left(folder):
    out = folder / "out"
    assert not [path for path in out.rglob("*") if path.is_file() or ".tmp-" in path.name]


@pytest.fixture(scope="module")
def air():
    """Winds and CO2 of two times on a 5° grid."""
    north, east = np.arange(-87.5, 90, 5), np.arange(0.0, 360, 5)
    field = np.ones((2, len(north), len(east)))
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "u10": (dims, 5 * field, {"units": "m s-1", "standard_name": "eastward_wind"}),
            "v10": (dims, 0 * field, {"units": "m s-1", "standard_name": "northward_wind"}),
            "co2": (dims, 400 * field, {"units": "ppm"}),
        },
        {
            "time": ("time", np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]")),
            "lat": ("lat", north, {"units": "degrees_north"}),
            "lon": ("lon", east, {"units": "degrees_east"}),
        },
    )


def curvilinear(data):
    two = np.meshgrid(data["lat"], data["lon"], indexing="ij")
    data = data.drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    attributes = ({"units": "degrees_north"}, {"units": "degrees_east"})
    names = ("latitude", "longitude")
    pairs = zip(names, two, attributes, strict=True)
    return data.assign_coords({name: (("y", "x"), part, a) for name, part, a in pairs})


def hole(name, when=1):
    def change(data):
        data = data.copy(deep=True)
        data[name][when, 3, 4] = np.nan
        return data

    return change


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda d: d.drop_vars("u10"), ["eastward wind", "--u-name"]),
        (hole("v10"), ["'v10'", "1 missing", "2020-01-02", "fill"]),
        (lambda d: d.isel(time=[0]), ["'u10'", "one time step where two are needed", "--steady"]),
        (curvilinear, ["'u10'", "not on a latitude-longitude grid", "regrid"]),
        (lambda d: d.isel(lon=slice(0, 30)), ["'u10'"]),
        (lambda d: d.drop_vars("co2"), ["no variable 'co2'", "u10"]),
        (hole("co2", 0), ["'co2'", "missing"]),
        (
            lambda d: d.assign(co2=d["co2"].assign_attrs(units="kg m**-2")),
            ["'co2'", "--initial-units"],
        ),
        (lambda d: d.assign(u10=d["u10"].assign_attrs(units="K")), ["'u10'", "units 'K'"]),
    ],
)
def test_winds_and_fields_that_cannot_be_used(co2phys, tmp_path, air, change, parts):
    change(air).to_netcdf(tmp_path / "air.nc")
    files = ("--winds", "air.nc", "--initial", "air.nc", "--initial-var", "co2")
    refused(co2phys(*SIMULATE, *files), 3, "air.nc", *parts)
    nothing_left(tmp_path)


def test_the_same_file_unchanged_is_accepted(co2phys, tmp_path, air):
    air.to_netcdf(tmp_path / "air.nc")
    files = ("--winds", "air.nc", "--initial", "air.nc", "--initial-var", "co2")
    done = co2phys(*SIMULATE, *files)
    assert done.code == 0, done.err
    with xr.open_dataset(tmp_path / "out" / "x.nc") as data:
        np.testing.assert_allclose(data[CO2], 400, rtol=1e-5)


def test_an_input_is_not_replaced(co2phys, tmp_path, air):
    air.to_netcdf(tmp_path / "air.nc")
    before = (tmp_path / "air.nc").read_bytes()
    words = ("simulate", "--winds", "air.nc", "--truncation", "5", "--output", "./air.nc")
    refused(co2phys(*words, "--overwrite"), 2, "--output air.nc", "is an input")
    assert (tmp_path / "air.nc").read_bytes() == before


@pytest.mark.parametrize("scheme", ["spectral", "monotone"])
def test_calm_air_has_a_time_step(co2phys, tmp_path, air, scheme):
    for name in ("u10", "v10"):
        air[name][:] = 0.0
    air.to_netcdf(tmp_path / "air.nc")
    done = co2phys(*SIMULATE, "--winds", "air.nc", "--scheme", scheme)
    assert done.code == 0, done.err


def test_winds_shorter_than_the_run(co2phys, tmp_path, air):
    air.to_netcdf(tmp_path / "air.nc")
    done = co2phys(*SIMULATE, "--winds", "air.nc", "--duration", "30h")
    refused(done, 3, "air.nc", "24 h", "30 h", "--duration")
    nothing_left(tmp_path)


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT"])
def test_a_truncated_file(co2phys, tmp_path, air, kind):
    air.to_netcdf(tmp_path / "air.nc", format=kind)
    size = (tmp_path / "air.nc").stat().st_size
    os.truncate(tmp_path / "air.nc", size * 2 // 3)
    refused(co2phys(*SIMULATE, "--winds", "air.nc"), 3, "air.nc", "truncated")
    refused(co2phys(*TRAIN, "--data", "air.nc"), 3, "air.nc", "truncated")
    refused(co2phys("plot", "air.nc", "--output", "out/x.png"), 3, "air.nc", "truncated")
    nothing_left(tmp_path)


def test_a_missing_file(co2phys, tmp_path):
    refused(co2phys(*SIMULATE, "--winds", "gone.nc"), 3, "gone.nc", "no such file")
    refused(co2phys(*TRAIN, "--data", "gone.zarr"), 3, "gone.zarr", "no such file")
    refused(co2phys("evaluate", "--prediction", "a.nc", "--truth", "b.nc"), 3, "a.nc")
    words = ("--checkpoint", "runs", "--data", "b.nc", "--output", "out/x.nc")
    refused(co2phys("reconstruct", *words), 3, "runs", "no checkpoint")
    nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda d: d.drop_vars(CO2), [f"no variable '{CO2}'"]),
        (lambda d: d.drop_vars("uas"), ["'uas'"]),
        (hole("vas", 5), ["'vas'", "missing"]),
        (lambda d: d.isel(time=[0]), ["'time'", "one step where at least two"]),
        (lambda d: d.isel(time=slice(0, 12)), ["too few to split"]),
        (lambda d: curvilinear(d.rename(latitude="lat", longitude="lon")), []),
        (lambda d: d.drop_vars("latitude"), ["'latitude'"]),
        (lambda d: d.drop_dims("station"), ["stations"]),
        (lambda d: d.assign_coords(time=np.arange(200)), ["time"]),
    ],
)
def test_stores_that_cannot_train(co2phys, tmp_path, small_world, change, parts):
    change(small_world()).to_netcdf(tmp_path / "store.nc")
    done = co2phys(*TRAIN, "--data", "store.nc")
    code = 2 if "'uas'" in parts else 3  # the remedy is an option
    refused(done, code, "store.nc", *parts)
    nothing_left(tmp_path)


def test_a_truncated_chunk_of_a_store(co2phys, tmp_path, small_world):
    write_dataset(small_world(), tmp_path / "store.zarr")
    chunks = [path for path in (tmp_path / "store.zarr" / "tas").rglob("*") if path.is_file()]
    biggest = max(chunks, key=lambda path: path.stat().st_size)
    os.truncate(biggest, biggest.stat().st_size // 2)
    refused(co2phys(*TRAIN, "--data", "store.zarr"), 3, "store.zarr", "'tas'")
    nothing_left(tmp_path)


@pytest.fixture
def unwritable(tmp_path):
    """A folder nobody may write to, not even root."""
    if os.geteuid() == 0:
        return Path("/proc/co2phys")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    return folder


def test_an_unwritable_folder(co2phys, tmp_path, unwritable, world, small_world):
    for name in ("x.nc", "x.zarr"):
        done = co2phys(*SIMULATE[:-1], unwritable / name, "--winds", "solid-body")
        refused(done, 3, str(unwritable / name), "cannot be written", "choose another --output")
    done = co2phys(*TRAIN[:-1], unwritable / "run", "--data", world)
    refused(done, 3, str(unwritable), "cannot be written")
    small_world().to_netcdf(tmp_path / "a.nc")
    done = co2phys("plot", "a.nc", "--output", unwritable / "x.png")
    refused(done, 3, str(unwritable), "cannot be written")


def test_a_file_where_a_folder_should_be(co2phys, tmp_path, world):
    (tmp_path / "out").write_text("a file")
    done = co2phys(*SIMULATE, "--winds", "solid-body")
    refused(done, 3, "out/x.nc", "a parent is not a folder")
    refused(co2phys(*TRAIN, "--data", world), 3, "out/run", "cannot be written")
    assert (tmp_path / "out").read_text() == "a file"


@pytest.fixture
def full_disk():
    """Context in which no file may grow beyond some bytes."""

    @contextmanager
    def limit(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


def without_progress(done):
    lines = [line for line in done.err.splitlines() if not re.match(r"\w+: +\d+ %|epoch ", line)]
    return SimpleNamespace(code=done.code, out=done.out, err="\n".join(lines))


@pytest.mark.parametrize("name", ["x.nc", "x.zarr"])
def test_a_full_disk_during_a_simulation(co2phys, tmp_path, full_disk, name):
    output = f"out/{name}"
    with full_disk(20_000):
        done = co2phys(*SIMULATE[:-1], output, "--winds", "deformational")
    refused(without_progress(done), 3, output, "no space left", "choose another --output")
    nothing_left(tmp_path)


def test_a_full_disk_during_training(co2phys, tmp_path, full_disk, world):
    with full_disk(200_000):
        done = co2phys(*TRAIN, "--data", world)
    refused(without_progress(done), 3, "out/run", "space")
    assert not [path for path in (tmp_path / "out").rglob("*") if ".tmp-" in path.name]
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["simulate", "--output", "x.nc", "--nonsense"], "--nonsense"),
        (["simulate"], "--output"),
        (["simulate", "--preset", "mars", "--output", "x.nc"], "mars"),
        (
            ["simulate", "--preset", "twin", "--output", "x.nc", "--truncation", "many"],
            "--truncation",
        ),
        (["simulate", "--preset", "twin-v1", "--output", "x.nc", "--seed", "2"], "--seed would"),
        (["simulate", "--output", "x.nc"], "--preset twin or --winds"),
        (["simulate", "--winds", "solid-body", "--output", "x.nc"], "--duration"),
        (
            ["simulate", "--preset", "twin", "--days", "1", "--duration", "3h", "--output", "x.nc"],
            "not both",
        ),
        (
            ["simulate", "--preset", "twin", "--output-every", "3 weeks", "--output", "x.nc"],
            "'3 weeks'",
        ),
        (
            ["simulate", "--preset", "twin", "--sources", "volcano", "--output", "x.nc"],
            "error: unknown --sources 'volcano'; choose from fossil, biosphere, ocean, fires",
        ),
        (
            ["simulate", "--winds", "w.nc", "--select", "x", "--output", "x.nc"],
            "--select 'x'",
        ),
        (["train", "--data", "a", "--output", "b", "--size", "XXL"], "XXL"),
        (["train", "--data", "a", "--output", "b", "--epochs", "0"], "epochs"),
        (["evaluate", "--prediction", "a", "--truth", "b", "--fail-if", "rmse=3"], "rmse=3"),
        (
            ["reconstruct", "--checkpoint", "a", "--data", "b", "--output", "c.nc", "--split", "x"],
            "split",
        ),
        (["plot", "a.nc", "--output", "x.bmp"], "x.bmp"),
        (["fly"], "fly"),
    ],
)
def test_wrong_usage(co2phys, tmp_path, words, part):
    done = co2phys(*words)
    refused(done, 2, part)
    assert "got {" not in done.err
    assert not list(tmp_path.iterdir())


def test_an_unknown_output_format(co2phys, tmp_path, world):
    done = co2phys(*SIMULATE[:-1], "x.csv", "--winds", "solid-body")
    refused(done, 2, "x.csv", ".nc or .zarr")
    assert not list(tmp_path.iterdir())


def test_no_such_device(co2phys, tmp_path, world):
    refused(co2phys(*TRAIN, "--data", world, "--device", "abacus"), 2, "--device abacus")


def test_an_odd_number_of_frames(co2phys, tmp_path, world):
    refused(co2phys(*TRAIN, "--data", world, "--frames", "3"), 2, "frames")
    nothing_left(tmp_path)


def test_an_unstable_step(co2phys, tmp_path):
    done = co2phys(*SIMULATE, "--winds", "deformational", "--truncation", "63", "--time-step", "3h")
    refused(done, 4, "unstable", "use at most", "divides the output interval")
    nothing_left(tmp_path)


@pytest.mark.parametrize("integrator", ["rk4", "low-storage"])
def test_the_step_that_is_advised_is_accepted(co2phys, integrator):
    words = (*SIMULATE, "--winds", "deformational", "--integrator", integrator, "--dry-run")
    words += ("--truncation", "63", "--output-every", "5h", "--duration", "10h")
    done = co2phys(*words, "--time-step", "5h")
    (advice,) = re.findall(r"for instance (\S+) s, which divides", done.err)
    assert co2phys(*words, "--time-step", f"{advice}s").code == 0


def test_stations_that_are_not_there(co2phys, tmp_path):
    done = co2phys(*SIMULATE, "--winds", "solid-body", "--stations", "missing.csv")
    refused(done, 3, "missing.csv: cannot read the stations (No such file or directory): give")
    assert "Errno" not in done.err
    nothing_left(tmp_path)


def test_a_diverging_training(co2phys, tmp_path, world):
    words = ("--learning-rate", "1e30", "--precision", "fp32", "--epochs", "6")
    done = co2phys(*TRAIN, "--data", world, *words)
    assert done.code == 4
    assert "--learning-rate" in done.err.splitlines()[-1]


def test_a_bug_is_called_a_bug_and_debug_shows_where(co2phys, monkeypatch, world):
    def fail(*arguments, **options):
        raise AssertionError("two\nlines")

    monkeypatch.setattr("co2net_phys.systems.prepare", fail)
    done = co2phys(*TRAIN, "--data", world)
    assert done.code == 1
    assert done.err.splitlines() == [
        "co2phys: error: unexpected AssertionError: two lines (this is a bug; --debug shows where)"
    ]
    assert "Traceback" in co2phys("--debug", *TRAIN, "--data", world).err


def test_interrupting_leaves_nothing(co2phys, monkeypatch, tmp_path):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("co2net_phys.data.writer_resumable.ResumableWriter.append", interrupt)
    refused(co2phys(*SIMULATE, "--winds", "solid-body"), 130, "interrupted")
    nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "twin", "--level", "0"], "--level has no effect with --preset twin"),
        (["--preset", "twin", "--initial", "hills"], "--initial has no effect with --preset twin"),
        (["--winds", "solid-body", "--spin-up", "1d"], "--spin-up has no effect with --winds"),
        (["--winds", "solid-body", "--steady"], "--steady has no effect with --winds solid-body"),
        (
            ["--winds", "solid-body", "--initial", "hills", "--initial-units", "ppm"],
            "--initial-units has no effect with --initial hills",
        ),
        (
            ["--winds", "solid-body", "--no-exchange"],
            "--no-exchange has no effect with --winds without --sources",
        ),
        (
            ["--winds", "solid-body", "--scheme", "monotone", "--integrator", "auto"],
            "--integrator has no effect with --scheme monotone",
        ),
        (
            ["--preset", "twin", "--scheme", "monotone", "--hyperdiffusivity", "1e15"],
            "--hyperdiffusivity has no effect with --scheme monotone",
        ),
        (["--winds", "solid-body", "--duration", "49h"], "--duration 49h is not a multiple"),
        (["--winds", "solid-body", "--days", "nan"], "--days nan"),
    ],
)
def test_options_that_would_be_ignored_are_refused(co2phys, tmp_path, words, message):
    refused(co2phys("simulate", *words, "--output", "x.nc"), 2, message)
    nothing_left(tmp_path)


def test_a_run_shorter_than_a_plan_works(co2phys, tmp_path):
    words = ["--truncation", "10", "--time-step", "3h", "--days", "1", "--spin-up", "0d"]
    assert co2phys("simulate", "--preset", "twin", *words, "--output", "x.nc").code == 0
    planned = co2phys("simulate", "--preset", "twin", *words, "--output", "y.nc", "--dry-run")
    assert planned.code == 0
