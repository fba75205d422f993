"""One interface to every scheme: same times, right grids, choices explained."""

from itertools import islice

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import CO2
from co2net_phys.errors import NumericalError, UsageError
from co2net_phys.simulation.clock import Clock
from co2net_phys.simulation.config import SimulationConfig
from co2net_phys.simulation.from_files import analytic_wind, file_world
from co2net_phys.simulation.initial import NamedField, analytic_tracer
from co2net_phys.simulation.integration import integration
from co2net_phys.simulation.run import plan, simulate
from co2net_phys.solvers import Grid, SphericalHarmonics

HARMONICS = SphericalHarmonics(Grid.gaussian(21), 21)
CLOCK = Clock(np.datetime64("2018-01-01"))


def configured(**options):
    base = SimulationConfig(
        truncation=21, grid="model", frames=5, output_every=6 * 3600.0, diffusivity=0.0,
        components=(), spin_up=0.0,
    )  # fmt: skip
    return base.model_copy(update=options)


def problem(config, wind="solid-body", field=None):
    fields = [field or analytic_tracer("hills", HARMONICS, CLOCK)]
    return file_world(config, HARMONICS, analytic_wind(wind, HARMONICS), fields, CLOCK)


def box():
    """A sharp edge: 1 in a box, 0 elsewhere."""
    values = np.zeros(HARMONICS.grid.shape)
    values[12:20, 20:40] = 1.0
    return NamedField(CO2, "a box", values)


def last(config, **options):
    scheme = integration(problem(config, **options), config)
    *_, (_, seconds, state) = islice(scheme.outputs(), config.frames)
    assert seconds == (config.frames - 1) * config.output_every
    return scheme, state


@pytest.mark.parametrize("wind", ["solid-body", "deformational"])
@pytest.mark.parametrize("integrator", ["auto", "low-storage", "semi-lagrangian"])
def test_integrators_agree(wind, integrator):
    _, expected = last(configured(time_step=1800.0), wind=wind)
    scheme, state = last(configured(integrator=integrator), wind=wind)
    assert scheme.time_step * scheme.steps_per_output == pytest.approx(6 * 3600)
    difference = HARMONICS.to_nodal(state - expected).abs().max()
    assert difference < (0.5 if integrator == "semi-lagrangian" else 0.05), "of 38"


def test_auto_takes_the_closed_form_where_there_is_one_and_says_so(tmp_path):
    config, said = configured(integrator="auto"), []
    planned = plan(problem(config), config)
    assert planned.integrator == "exact-solid-body"
    assert "closed form" in planned.reason
    simulate(problem(config), config, tmp_path / "x.nc", attributes={}, say=said.append)
    assert "exact-solid-body" in said[0]
    config = configured(integrator="exact-solid-body")
    with pytest.raises(UsageError, match="exact-solid-body"):
        integration(problem(config, wind="deformational"), config)


def test_resuming_takes_up_the_sequence_bit_for_bit():
    config = configured(output_every=10_000.0, time_step=10_000 / 7)
    scheme = integration(problem(config, wind="deformational"), config)
    whole = list(islice(scheme.outputs(), 5))
    for done in (1, 3):
        rest = list(islice(scheme.outputs(done, whole[done - 1][2]), 5 - done))
        for (number, seconds, state), expected in zip(rest, whole[done:], strict=True):
            assert (number, seconds) == expected[:2]
            assert torch.equal(state, expected[2])


@pytest.mark.parametrize("form", ["advective", "flux"])
@pytest.mark.parametrize("grid", ["model", "carbontracker"])
def test_the_monotone_scheme_makes_no_new_extremes_anywhere(tmp_path, form, grid):
    config = configured(scheme="monotone", form=form, grid=grid)
    world = problem(config, wind="deformational", field=box())
    extents = simulate(world, config, tmp_path / "x.nc", attributes={})[CO2]
    assert extents.lowest >= -1e-12
    assert extents.highest <= 1 + 1e-12
    weights = HARMONICS.grid.area_weights
    assert extents.last_mean == pytest.approx((box().values * weights).mean(), rel=1e-12)
    spectral = configured(grid=grid)
    ringing = simulate(
        problem(spectral, wind="deformational", field=box()), spectral, tmp_path / "y.nc",
        attributes={},
    )[CO2]  # fmt: skip
    assert ringing.lowest < -0.05, "what the monotone scheme is for"


def test_the_monotone_scheme_is_resumed_too(tmp_path):
    config = configured(scheme="monotone")

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    def run(name, **options):
        world = problem(config, wind="deformational", field=box())
        simulate(world, config, tmp_path / name, attributes={}, **options)

    run("whole.nc")
    with pytest.raises(KeyboardInterrupt):
        run("x.nc", progress=stop)
    run("x.nc", resume=True)
    assert (tmp_path / "x.nc").read_bytes() == (tmp_path / "whole.nc").read_bytes()


def test_decay_and_forms_reach_the_solver(tmp_path):
    uniform = analytic_tracer("uniform", HARMONICS, CLOCK)

    def mean(**options):
        config = configured(**options)
        world = problem(config, wind="divergent", field=uniform)
        name = "_".join(map(str, options.values()))
        return simulate(world, config, tmp_path / f"{name}.nc", attributes={})[CO2]

    assert mean(lifetime=86400.0).last_mean == pytest.approx(400 / np.e, rel=1e-6)
    advective, flux = mean(form="advective"), mean(form="flux")
    assert advective.highest == pytest.approx(400, rel=1e-9), "keeps constants"
    assert flux.last_mean == pytest.approx(400, rel=1e-6), "keeps the mass"
    assert flux.highest > 410, "and piles it up"
    smooth = mean(form="flux", hyperdiffusivity=1e18)
    assert smooth.highest < flux.highest


def test_the_step_is_checked_for_every_scheme():
    for options in ({}, {"integrator": "low-storage"}, {"scheme": "monotone"}):
        config = configured(time_step=5000.0, **options)
        with pytest.raises(UsageError, match="does not divide"):
            integration(problem(config), config)
    config = configured(integrator="low-storage", output_every=10 * 86400.0, time_step=864000.0)
    with pytest.raises(NumericalError, match="use at most"):
        integration(problem(config, wind="deformational"), config)
    config = configured(scheme="monotone", hyperdiffusivity=1e15)
    with pytest.raises(UsageError, match="hyperdiffusivity"):
        integration(problem(config), config)


def test_a_step_that_blows_up_stops_the_run(tmp_path):
    """Sampled speeds can be too low; then the guard has to notice."""
    config = configured(output_every=6 * 3600.0, frames=200, time_step=6 * 3600.0, truncation=21)
    world = problem(config, wind="deformational")
    wind = world.wind
    fast = type("Fast", (), {"max_speed": 1.0, "__call__": lambda _, t: [30 * p for p in wind(t)]})
    world = type(world)(**{**vars(world), "wind": fast()})
    with pytest.raises(NumericalError, match=r"step \d+.*°E.*reduce.*frames are in") as caught:
        simulate(world, config, tmp_path / "x.zarr", attributes={})
    partial = tmp_path / "x.zarr.partial.zarr"
    assert str(partial) in str(caught.value)
    with xr.open_zarr(partial, consolidated=False) as data:
        assert np.isfinite(data[CO2][0]).all()
