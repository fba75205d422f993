"""The chain of the flux models on a small world, as a user types it, and what it refuses."""

import json
import os
import shutil
from pathlib import Path

import pytest
import xarray as xr

from co2net_phys.fluxes.bridges import read_bridges
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.schema import NEE
from co2net_phys.fluxes.simulate import simulate_carbon_world

SMALL = CarbonWorldConfig(years=3, grid_step=10.0, truncation=5, towers=36, transport_days=40)
QUICK = "--ensemble 2 --epochs 4 --set folds=2 --set held_out_years=1 --batch-size 4000"
SAMPLES = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
HALF_HOURLY = SAMPLES / "fluxnet/Example_DE-Tha.1996.1998.hourly_selVars.nc"


@pytest.fixture(scope="module")
def carbon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("carbon") / "world"
    simulate_carbon_world(SMALL, folder)
    return folder


def train(model, data, output, more=""):
    words = f"--quiet train --model {model} --data {data} --output {output} {QUICK} {more}"
    return words.split()


def test_simulate_makes_a_world_and_says_what_it_would_make(co2phys, tmp_path):
    sizes = "--set years=1 --set grid_step=15 --set towers=12 --set transport_days=2"
    preset = "--quiet simulate --preset carbon-world --truncation 5"
    words = f"{preset} {sizes} --output w --json".split()
    plan = co2phys(*words, "--dry-run")
    assert plan.code == 0 and json.loads(plan.out)["towers"] == 12
    assert not (tmp_path / "w").exists()
    made = co2phys(*words)
    assert made.code == 0 and json.loads(made.out)["config"]["grid_step"] == 15
    assert (tmp_path / "w" / "drivers.zarr").is_dir()
    again = co2phys(*words)
    assert again.code == 3 and "already exists; pass --overwrite" in again.err
    wrong = co2phys(*words, "--set", "grid_step=7")
    assert wrong.code == 2 and "does not divide 180" in wrong.err and wrong.err.count("\n") == 1


@pytest.fixture
def ec(co2phys, carbon, tmp_path):
    """Folder of two trained members."""
    done = co2phys(*train("ec", carbon, "ec"))
    assert done.code == 0, done.err
    return tmp_path / "ec"


def reconstruct(co2phys, run, data, output):
    done = co2phys(
        "--quiet", "reconstruct", "--checkpoint", run, "--data", data, "--output", output
    )
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_whole_chain_of_the_regional_bridge(co2phys, carbon, ec, tmp_path):
    reconstruct(co2phys, ec, carbon, "ec.zarr")
    plan = co2phys("bridge", "--kind", "regional", "--nee", "ec.zarr", "--output", "b.json",
                   "--dry-run", "--json")  # fmt: skip
    assert json.loads(plan.out) == {"regions": 18, "days": 1095}
    made = co2phys("--quiet", "bridge", "--kind", "regional", "--nee", "ec.zarr", "--output",
                   "b.json", "--json")  # fmt: skip
    assert made.code == 0, made.err
    told = json.loads(made.out)["regions"]
    assert {one.region: len(one.coefficients) for one in read_bridges(tmp_path / "b.json")} == {
        region: facts["pixels"] for region, facts in told.items()
    }
    assert min(facts["training_r2"] for facts in told.values()) >= 0.95
    done = co2phys(*train("ec-atm", carbon, "atm", "--set bridges=b.json"))
    assert done.code == 0, done.err
    reconstruct(co2phys, "atm", carbon, "atm.nc")

    shutil.copytree(carbon, "world")
    shutil.copy("b.json", "world/bridges.json")
    scored = co2phys("--quiet", "evaluate", "--prediction", "atm.nc", "ec.zarr", "--truth", "world",
                     "--report", "report", "--json")  # fmt: skip
    assert scored.code == 0, scored.err
    scores = json.loads(scored.out)["methods"]
    assert list(scores) == ["EC-ATM", "EC"]
    assert set(scores["EC"]) == {"truth", "inversions", "towers", "bridges"}
    with xr.open_zarr(tmp_path / "ec.zarr", consolidated=False) as store:
        sites = store[NEE].mean("time") * store["land_fraction"] * store["cell_area"]
        annual = float(sites.sum()) * 1e-15 * 1095 / 3
    assert scores["EC"]["truth"]["GLOBAL"]["annual"]["mean"] == pytest.approx(annual, rel=1e-4)
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<img") == 3 and "Daily NEE at towers" in page
    table = co2phys("evaluate", "--prediction", "ec.zarr", "--truth", carbon / "inversions.nc",
                    "--fail-if", "methods.EC.inversions.GLOBAL.monthly.rmse>0")  # fmt: skip
    assert table.code == 5 and "against the mean of the inversions" in table.out


@pytest.mark.slow
def test_the_whole_chain_of_the_physics_bridge(co2phys, tmp_path):
    simulate_carbon_world(
        CarbonWorldConfig(years=2, grid_step=15.0, truncation=5, towers=24, transport_days=60),
        tmp_path / "world",
    )
    words = "bridge --kind physics --data world --memory-days 5 --stations MLO,BRW,SMO --json"
    plan = co2phys(*words.split(), "--output", "p.nc", "--dry-run")
    assert json.loads(plan.out) == {"months": 1, "stations": 3, "truncation": 5}
    made = co2phys(*words.split(), "--output", "p.nc")
    assert made.code == 0, made.err
    done = co2phys(*train("ec-stations", "world", "st", "--set bridges=p.nc"))
    assert done.code == 0, done.err
    reconstruct(co2phys, "st", "world", "st.zarr")
    scored = co2phys("evaluate", "--prediction", "st.zarr", "--truth", "world")
    assert scored.code == 0 and "EC-STATIONS" in scored.out
    metadata = json.loads((tmp_path / "st/member-01/best/metadata.json").read_text())
    assert len(metadata["validation_stations"]) in (1, 2)


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        ("train --model ec --data nowhere --output r", 3, "nowhere: no such folder"),
        ("train --model ec-atm --data W --output r", 2, "bridges: --model ec-atm needs them"),
        ("train --model ec --data W --output r --set fold=10", 2, "fold: 10 of 10 folds"),
        ("train --model ec --data W --output r --set fold=-1", 2, "fold: Input should be"),
        ("train --model ec --data W --output r --ensemble 12", 2, "10 folds make 10 members"),
        ("train --model ec --data W --output r --ensemble 3 --set fold=2 --dry-run", 2, "fold: 2"),
        ("train --model ec --data W --output r --size B", 2, "--size has no effect"),
        ("train --model ec-atm --data W --output r --set bridges=no.json", 3, "--set bridges=FILE"),
        ("train --model ec-stations --data W --output r --set bridges=no.nc", 3, "no.nc"),
        ("bridge --kind regional --output b.json", 2, "--nee: give the NEE"),
        ("bridge --kind regional --nee W/nee.zarr --output b.nc", 2, "are a .json file"),
        ("bridge --kind regional --nee W/drivers.zarr --output b.json", 3, "not NEE of all land"),
        ("bridge --kind regional --nee W/nee.zarr --months 2 --output b.json", 2, "--months has"),
        ("bridge --kind physics --output p.nc", 2, "--data: give the folder"),
        ("bridge --kind physics --data W --output p.json", 2, "--output p.json: unknown format"),
        ("bridge --kind physics --data W --stations Z --output p.nc", 2, "--stations Z: "),
        ("bridge --kind physics --data W --output p.nc", 3, "no whole month with 20 days before"),
    ],
)
def test_wrong_input_is_one_line(co2phys, carbon, words, code, problem):
    found = co2phys("--quiet", *words.replace("W", str(carbon)).split())
    assert (found.code, found.err.count("\n")) == (code, 1), found.err
    assert problem in found.err and "Traceback" not in found.err


def test_inspection_knows_the_files_of_a_world(co2phys, carbon):
    for name, command in [
        ("drivers.zarr", f"train --model ec --data {carbon}"),
        ("inversions.nc", f"train --model ec-atm --data {carbon}"),
        ("stations.zarr", f"bridge --kind physics --data {carbon}"),
        ("nee.zarr", f"bridge --kind regional --nee {carbon}/nee.zarr"),
    ]:
        done = co2phys("data", "inspect", carbon / name)
        assert done.code == 0 and "ERROR" not in done.out
        assert command in " ".join(done.out.replace("\\\n", "").split()), done.out


def test_checkpoints_that_do_not_fit_are_refused(co2phys, carbon, ec, tmp_path):
    option = co2phys("reconstruct", "--checkpoint", ec, "--data", carbon, "--output", "n.nc",
                     "--split", "test")  # fmt: skip
    assert option.code == 2 and "--split has no effect with a flux model" in option.err
    places = list(ec.joinpath("member-01").rglob("metadata.json"))
    metadata = [json.loads(place.read_text()) for place in places]
    for change in ({"width": 10**9}, {"drivers": ["WAI2"] * 200}, {"statistics": {}}):
        for place, found in zip(places, metadata, strict=True):
            place.write_text(json.dumps({**found, "model": {**found["model"], **change}}))
        refused = co2phys(
            "reconstruct", "--checkpoint", ec / "member-01", "--data", carbon, "--output", "n.nc"
        )
        assert refused.code == 3 and "readable checkpoint (model." in refused.err, refused.err
    assert not (tmp_path / "n.nc").exists()


def test_a_run_that_was_interrupted_is_not_mixed_with_another(co2phys, carbon, ec):
    other = co2phys(*train("ec", carbon, ec, "--seed 1 --resume auto"))
    assert other.code == 2 and "was started with seed = 0, not 1" in other.err
    again = co2phys(*train("ec", carbon, ec))
    assert again.code == 2 and "already holds a run" in again.err


@pytest.mark.slow
@pytest.mark.skipif(
    not HALF_HOURLY.exists(), reason=f"no sample data in {SAMPLES}; set CO2PHYS_SAMPLE_DATA"
)
def test_a_tower_of_the_sample_data_beside_invented_ones(co2phys, tmp_path):
    """The half-hourly file of Tharandt, 1996 to 1998, and its line of FLUXNET's list of sites."""
    config = CarbonWorldConfig(
        start_year=1996, years=3, grid_step=15.0, truncation=5, towers=12, transport_days=2
    )
    simulate_carbon_world(config, tmp_path / "world")
    towers = tmp_path / "world" / "towers"
    shutil.copy(HALF_HOURLY, towers)
    with (towers / "sites.csv").open("a") as sites:
        sites.write("DE-Tha,50.9624,13.5652\n")
    done = co2phys(*train("ec", "world", "run"))
    assert done.code == 0, done.err
    metadata = [
        json.loads((tmp_path / f"run/member-0{number}/best/metadata.json").read_text())
        for number in (1, 2)
    ]
    assert sum("DE-Tha" in found["sites"]["validation"] for found in metadata) == 1
    reconstruct(co2phys, "run", "world", "nee.zarr")
    scored = co2phys("evaluate", "--prediction", "nee.zarr", "--truth", "world", "--json")
    days = json.loads(scored.out)["methods"]["EC"]["towers"]["other"]["sites"]["DE-Tha"]["n"]
    assert 200 < days <= 1096
