"""What the engine is told of a flux model: one order, one start, and a run that can go on."""

import numpy as np
import pytest
import torch

from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError
from co2net_phys.fluxes.config import CarbonWorldConfig
from co2net_phys.fluxes.models import MODELS, FluxOptions
from co2net_phys.fluxes.physics_bridge import PhysicsBridge
from co2net_phys.fluxes.physics_bridge_file import write_physics_bridge
from co2net_phys.fluxes.simulate import simulate_carbon_world
from co2net_phys.fluxes.task import FluxTask
from co2net_phys.fluxes.world_folder import WorldFolder
from co2net_phys.regridding import LatLonGrid
from co2net_phys.solvers import Grid
from co2net_phys.trainer import Callbacks, Interrupted, begin

TINY = CarbonWorldConfig(years=1, grid_step=15.0, truncation=5, towers=24, transport_days=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "world"
    simulate_carbon_world(TINY, folder)
    return folder


def options(**fields):
    return FluxOptions(**{"folds": 3, "batch_size": 700, "epochs": 3, **fields})


def weights(task):
    return [value.detach().clone() for value in task.learner.parameters()]


def test_an_epoch_sees_every_day_of_the_training_sites_once(world):
    task = FluxTask(options(), world, Team())
    steps = list(task.steps(1, 0))
    assert len(steps) == task.batches_per_epoch > 2
    rows = np.concatenate([positions for ((_, positions, _),) in steps])
    assert sorted(rows) == list(range(len(task.data.training)))
    ((weight, positions, sample),) = steps[1]
    assert weight == 1.0
    np.testing.assert_array_equal(sample.towers.nee, task.data.training.nee[positions])
    again = list(task.steps(1, 1))
    for ((_, one, _),), ((_, other, _),) in zip(steps[1:], again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_members_differ_in_their_fold_alone(world):
    tasks = [FluxTask(options().member(number), world, Team()) for number in range(3)]
    held_out = [set(task.data.fold.validation_sites) for task in tasks]
    assert set.union(*held_out) == set(tasks[0].data.fold.training_sites) | held_out[0]
    assert sum(map(len, held_out)) == len(set.union(*held_out))
    for task in tasks[1:]:
        assert all(map(torch.equal, weights(task), weights(tasks[0])))


def test_the_models_begin_with_the_same_bits(world):
    statistics = FluxTask(options(), world, Team()).learner.model.config.statistics
    made = [
        kind.network(kind.config(statistics=statistics, initial_seed=3)) for kind in MODELS.values()
    ]
    assert len({type(model.config) for model in made}) == len(MODELS) == 3
    for model in made[1:]:
        pairs = zip(model.parameters(), made[0].parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_an_interrupted_run_goes_on_to_the_same_bits(world, tmp_path):
    def trainer(name, continued=False, stop_after=None):
        seen = []
        callbacks = Callbacks(
            on_step=lambda step, total, values: seen.append(step),
            should_stop=lambda: stop_after is not None and len(seen) >= stop_after,
        )
        task = FluxTask(options(), world, Team())
        return begin(task, tmp_path / name, [world], ["co2phys"], callbacks, continued)

    whole = trainer("whole")
    whole.run()
    with pytest.raises(Interrupted):
        trainer("cut", stop_after=whole.task.batches_per_epoch + 1).run()
    resumed = trainer("cut", continued=True)
    resumed.run()
    assert all(map(torch.equal, weights(resumed.task), weights(whole.task)))
    assert resumed.progress.best == whole.progress.best


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"fold": 3}, r"fold: 3 of 3 folds; they count from 0"),
        ({"architecture": "ec-atm"}, r"bridges: --model ec-atm needs them.*--kind regional"),
        ({"architecture": "ec-stations"}, r"bridges: --model ec-stations .*--kind physics"),
        ({"bridges": "bridges.json"}, r"bridges: no effect with --model ec;"),
        ({"model": {"width": 10**9}}, r"model\.width"),
        ({"model": {"depth": 4}}, r"model\.depth"),
    ],
)
def test_options_that_make_no_sense(world, fields, problem):
    with pytest.raises(UsageError, match=problem) as caught:
        FluxTask(options(**fields), world, Team())
    assert "\n" not in str(caught.value)


def test_stations_that_never_report_are_in_no_fold(world, tmp_path):
    months = np.arange("2001-02", "2001-06", dtype="datetime64[M]")
    of_month = torch.full((len(months), 4), 1.0, dtype=torch.float64)
    grid = LatLonGrid.of_solver(Grid.gaussian(5))
    observed = 400 * of_month
    observed[:, 1] = torch.nan
    response = torch.ones(len(months), 4, 2, *grid.shape, dtype=torch.float64)
    bridge = PhysicsBridge(
        months, ("AAA", "BBB", "CCC", "DDD"), grid, response, 399 * of_month, observed, of_month
    )
    write_physics_bridge(tmp_path / "physics.nc", bridge)
    given = {"architecture": "ec-stations", "bridges": str(tmp_path / "physics.nc")}
    tasks = [FluxTask(options(**given, fold=fold), world, Team()) for fold in range(3)]
    held_out = [task.description["validation_stations"] for task in tasks]
    assert sorted(sum(held_out, ())) == ["AAA", "CCC", "DDD"]
    assert all(np.isfinite(task.validation_error()) for task in tasks)
    assert len({task.description["bridges"] for task in tasks}) == 1


@pytest.mark.parametrize(
    ("given", "number", "problem"),
    [
        ({}, 3, r"--ensemble: 3 folds make 3 members at most"),
        ({"fold": 2}, 0, r"fold: 2 has no effect with --ensemble"),
    ],
)
def test_members_that_cannot_be(given, number, problem):
    with pytest.raises(UsageError, match=problem):
        options(**given).member(number)


def test_more_folds_than_sites_are_refused(world):
    with pytest.raises(DataError, match="do not make 500 folds"):
        FluxTask(options(folds=500), world, Team())


def test_a_folder_may_hold_netcdf_stores(world, tmp_path):
    for entry in world.iterdir():
        if entry.name != "drivers.zarr":
            (tmp_path / entry.name).symlink_to(entry)
    drivers = WorldFolder(world).drivers()
    drivers._dataset.to_netcdf(tmp_path / "drivers.nc")
    found = WorldFolder(tmp_path)
    assert found.has_towers() and found.has_inversions() and found.has_nee()
    assert found.bridges() is None
    assert np.array_equal(found.drivers().land, drivers.land)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder; give a folder as `co2phys simulate"):
        WorldFolder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"drivers\.zarr: there is no such file; it holds the dr"):
        WorldFolder(tmp_path).drivers()
