"""Which command takes which store: every wrong pair is one line that says what the file holds."""

import json
from itertools import product

import numpy as np
import pytest
import xarray as xr

from co2net_phys.columns.schema import GRID, VARIABLES
from co2net_phys.columns.world import ColumnsConfig
from co2net_phys.data import kinds
from co2net_phys.data.opening import open_dataset
from co2net_phys.errors import DataError
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.inversions import Inversions, write_inversions
from co2net_phys.fluxes.schema import DRIVERS, NEE
from co2net_phys.satellite.schema import FEATURES, SAMPLE_VARIABLES

HOLDS = {
    "world.zarr": kinds.SURFACE,
    "columns.zarr": kinds.COLUMNS,
    "samples.zarr": kinds.SAMPLES,
    "maps.zarr": kinds.XCO2_MAPS,
    "carbon/drivers.zarr": kinds.DRIVERS,
    "carbon/inversions.nc": kinds.INVERSIONS,
    "carbon/nee.zarr": kinds.NEE,
}
TAKES = {
    "co2net": "give a training store",
    "column-emulator": "`co2phys simulate --preset columns`",
    "resnet-lstm": "`co2phys data fuse`",
}


def write(dataset, path):
    dataset.to_zarr(path, zarr_format=3, consolidated=False)


def some_samples(count=300):
    """Samples with the names and units of the schema, as `co2phys data fuse` writes them."""
    random = np.random.default_rng(3)
    data = xr.Dataset(
        {name: ("sample", random.uniform(1, 2, count), {"units": units})
         for name, units in SAMPLE_VARIABLES.items() if name not in ("features", "time")}
    )  # fmt: skip
    data["features"] = ("sample", "feature"), random.normal(size=(count, len(FEATURES)))
    data["source"] = "sample", np.ones(count, np.int8)
    data.attrs = {
        "region": '{"west": 0, "south": 0, "east": 2, "north": 2, "spacing": 0.1}',
        "co2phys_version": "0",
    }
    coordinates = {
        "time": ("sample", np.repeat(days(count // 10), 10)),
        "feature": np.array(FEATURES, dtype=object),
    }
    return data.set_coords(["latitude", "longitude"]).assign_coords(coordinates)


def some_maps():
    axes = {"latitude": np.arange(28.1, 29, 0.2), "longitude": np.arange(102.1, 103, 0.2)}
    values = 400 + np.zeros((4, 5, 5))
    field = (("time", *axes), values, {"units": "umol mol-1"})
    return xr.Dataset({"xco2": field}, {"time": days(4), **axes}, {"co2phys_version": "0"})


def some_columns():
    """Columns of the schema: 70 days, 3 layers, 15°."""
    axes = {"time": days(70), "level": np.arange(3.0)} | globe(15)
    random, usual = np.random.default_rng(3), {"ps": 1e5, "tas": 280, "ta": 280, "hus": 0.01}
    data = xr.Dataset(coords=axes)
    for name, variable in VARIABLES.items():
        dims = ("time", *GRID) if name in ("emibc", "ps", "tas", "pr", "prc", "bldep") else [*axes]
        values = random.uniform(0.99, 1, [len(axes[dim]) for dim in dims]).astype(np.float32)
        data[name] = dims, usual.get(name, 1) * values, variable.attributes
    share = np.array([[1, 0.7], [0.7, 0.4], [0.4, 0]])
    return data.assign(ap_bnds=(("level", "bnds"), 0 * share), b_bnds=(("level", "bnds"), share))


def some_land(names, count=5):
    """Variables of the flux models on all land, by day."""
    axes = {"time": days(count)} | globe(15)
    values = np.ones([len(axis) for axis in axes.values()], np.float32)
    return xr.Dataset({name: ([*axes], values) for name in names}, axes)


def some_stations(world):
    """Mole fractions and winds, as in a carbon world."""
    with xr.open_zarr(world, consolidated=False) as data:
        winds = data[["uas", "vas", "co2s_station"]].isel(time=slice(0, 8)).load()
    return winds.assign_attrs(co2phys_version="0")


def days(count):
    return np.datetime64("2020-01-01", "ns") + np.arange(count) * np.timedelta64(1, "D")


def globe(step):
    north, east = np.arange(-90 + step / 2, 90, step), np.arange(-180 + step / 2, 180, step)
    return {"latitude": north, "longitude": east}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, world):
    """One small store of every kind."""
    place = tmp_path_factory.mktemp("kinds")
    (place / "world.zarr").symlink_to(world)
    (place / "carbon").mkdir()
    (place / "empty").mkdir()
    write(some_columns(), place / "columns.zarr")
    write(some_samples(), place / "samples.zarr")
    write(some_maps(), place / "maps.zarr")
    write(some_land(DRIVERS), place / "carbon/drivers.zarr")
    write(some_land([NEE]), place / "carbon/nee.zarr")
    write(some_stations(world), place / "carbon/stations.zarr")
    some_land(["fossil", "ocean"]).to_netcdf(place / "carbon/background.nc")
    inversions = Inversions(np.arange("2020-01", "2021-01", dtype="M8[M]"), np.ones((2, 12, 18)))
    write_inversions(inversions, place / "carbon/inversions.nc")
    return place


@pytest.fixture
def run(co2phys, folder, monkeypatch):
    """`co2phys` in the folder of the stores."""

    def command(words):
        monkeypatch.chdir(folder)
        return co2phys("--quiet", *words.split())

    return command


def refused(done, code, *parts):
    assert done.code == code, done.err
    (line,) = done.err.splitlines()
    assert line.startswith("co2phys: error: ") and "unexpected" not in line
    for part in parts:
        assert part in line, line


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("co2net --size XS", "samples.zarr"),
        ("co2net --size XS", "columns.zarr"),
        ("column-emulator", "samples.zarr"),
        ("column-emulator", "world.zarr"),
        ("resnet-lstm", "columns.zarr"),
        ("resnet-lstm", "carbon/drivers.zarr"),
    ],
)
def test_training_on_a_store_of_another_kind(run, model, name):
    done = run(f"train --model {model} --data {name} --output r --dry-run")
    refused(done, 3, f"{name}: holds {HOLDS[name].holds}, not ", TAKES[model.split()[0]])


def test_every_kind_is_told_from_every_other(folder):
    for (name, kind), wanted in product(HOLDS.items(), HOLDS.values()):
        if kind == wanted:
            open_dataset(folder / name, wanted).close()
            continue
        with pytest.raises(DataError) as error:
            open_dataset(folder / name, wanted)
        said = f"{folder / name}: holds {kind.holds}, not {wanted.holds}; {wanted.remedy}"
        assert str(error.value) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("samples.zarr", "samples.zarr: is a file, not a folder; give a folder as `co2phys sim"),
        ("carbon/inversions.nc", "inversions.nc: is a file, not a folder"),
        ("absent", "absent: no such folder; give a folder as"),
        ("empty", "empty/drivers.zarr: there is no such file; it holds the drivers; give a folder"),
    ],
)
def test_a_flux_model_needs_a_folder(run, name, said):
    refused(run(f"train --model ec --data {name} --output r --dry-run"), 3, said)


@pytest.mark.parametrize("model", TAKES)
def test_a_folder_is_no_store(run, model):
    done = run(f"train --model {model} --data empty --output r")
    refused(done, 3, "empty: is a folder", "give a NetCDF file or a Zarr store")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--prediction columns.zarr --truth world.zarr", "columns.zarr: holds columns of a tracer"),
        ("--prediction samples.zarr --truth maps.zarr", "samples.zarr: holds samples"),
        ("--prediction world.zarr --truth samples.zarr", "samples.zarr: holds samples"),
    ],
)
def test_scoring_what_is_no_map_of_surface_co2(run, words, said):
    refused(run(f"evaluate {words}"), 3, said, "not surface CO2; give a")


def test_other_commands_say_what_the_file_holds(run):
    refused(run("crossvalidate --samples world.zarr"), 3, "world.zarr: holds surface CO2, not sam")
    refused(run("data periods samples.zarr --output m.zarr"), 3, "holds samples of satellites, not")
    regional = "bridge --kind regional --output b.json --nee"
    refused(run(f"{regional} carbon/drivers.zarr"), 3, "holds drivers of flux models, not NEE")


def test_a_store_with_a_time_that_is_no_axis_is_refused(run, folder):
    for name, model in (("world.zarr", "co2net"), ("columns.zarr", "column-emulator")):
        with xr.open_zarr(folder / name, consolidated=False) as data:
            write(data.isel(time=0), folder / f"one-{name}")
        done = run(f"train --model {model} --data one-{name} --output r --dry-run")
        refused(done, 3, f"one-{name}: no coordinate 'time'")


@pytest.mark.parametrize(
    "words",
    [
        "--model co2net --data world.zarr --output OUT",
        "--model column-emulator --data columns.zarr --output OUT",
        "--model resnet-lstm --data samples.zarr --output OUT --ensemble 2",
        "--model ec --data carbon --output OUT",
    ],
)
def test_a_run_is_not_written_over_its_data(run, folder, listing, words):
    data = words.split()[3]
    real = (folder / data).resolve()
    before = listing(folder)
    for output, more, said in (
        (data, "--overwrite", "is an input of this command"),
        (f"{data}/run", "--dry-run", f"lies in an input of this command, {real.name}"),
        (real.parent, "--dry-run", "is a folder with an input of this command"),
    ):
        done = run(f"train {words.replace('OUT', str(output))} {more}")
        refused(done, 2, f"--output {output}: {said}")
    assert listing(folder) == before


def test_bridges_are_an_input_of_training(run):
    words = "train --model ec-atm --data carbon --set bridges=b.json --output b.json --dry-run"
    refused(run(words), 2, "--output b.json: is an input of this command")


@pytest.mark.parametrize(
    "words",
    [
        "simulate --preset twin",
        "simulate --preset columns",
        "recover-wind world.zarr",
        "invert --method letkf --data world.zarr",
        "bridge --kind physics --data carbon",
        "bridge --kind regional --nee carbon/nee.zarr",
        "reconstruct --checkpoint run --data world.zarr",
        "data periods maps.zarr",
    ],
)
def test_a_wrong_suffix_is_a_wrong_option(run, words):
    refused(run(f"{words} --output made.txt"), 2, "--output made.txt: ", ".")


def uses(done):
    (report,) = json.loads(done.out)
    assert done.code == 0
    assert not [problem for problem in report["problems"] if problem["severity"] == "error"]
    return [" ".join(use["command"]) for use in report["uses"]]


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("samples.zarr", ("train --model resnet-lstm", "crossvalidate --samples")),
        ("columns.zarr", ("train --model column-emulator", "simulate --winds")),
        ("maps.zarr", ("data periods", "evaluate --prediction")),
        ("carbon/drivers.zarr", ("train --model ec --data carbon", "reconstruct --checkpoint")),
        ("carbon/inversions.nc", ("train --model ec-atm --data carbon", "evaluate --prediction")),
        ("carbon/nee.zarr", ("bridge --kind regional --nee", "evaluate --prediction")),
        ("carbon/stations.zarr", ("bridge --kind physics --data carbon",)),
    ],
)
def test_inspection_names_the_commands_that_take_a_store(run, name, commands):
    found = uses(run(f"data inspect {name} --json"))
    assert len(found) == len(commands), found
    for command, start in zip(found, commands, strict=True):
        assert command.startswith(f"co2phys {start}")


@pytest.mark.parametrize("name", ["samples.zarr", "columns.zarr"])
def test_the_training_that_inspection_names_can_be_run(run, name):
    command = uses(run(f"data inspect {name} --json"))[0].removeprefix("co2phys ")
    done = run(f"{command} --dry-run")
    assert done.code == 0, done.err


def test_maps_of_others_stay_grids(run, folder):
    maps = some_maps()
    maps.attrs = {}
    write(maps, folder / "others.zarr")
    (report,) = json.loads(run("data inspect others.zarr --json").out)
    assert report["product"] == "CF grid"


def test_help_says_the_truncation_of_every_preset(run):
    from co2net_phys.simulation.config import SimulationConfig

    text = " ".join(run("simulate --help").out.replace("│", " ").split())
    defaults = {
        "": SimulationConfig.model_fields["truncation"].default,
        "columns ": ColumnsConfig.model_fields["truncation"].default,
        "carbon-world ": CarbonWorldConfig.model_fields["truncation"].default,
    }
    for preset, truncation in defaults.items():
        assert f"{preset}{truncation}" in text
