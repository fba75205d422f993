"""The transport as a matrix: against the transport itself, the solver's gradients, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.data.schema import STATION_CO2
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError
from co2net_phys.fluxes.constraints import StationYears
from co2net_phys.fluxes.data import FluxData
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.folds import make_folds
from co2net_phys.fluxes.half_hourly import TO_GRAMS_PER_DAY
from co2net_phys.fluxes.learner import STATIONS, TOWERS, FluxLearner
from co2net_phys.fluxes.network import FluxConfig, FluxNetwork
from co2net_phys.fluxes.physics_bridge import physics_bridge
from co2net_phys.fluxes.physics_bridge_file import read_physics_bridge, write_physics_bridge
from co2net_phys.fluxes.samples import StationSample, monthly_means, station_values
from co2net_phys.fluxes.station_response import StationResponse
from co2net_phys.fluxes.tower_records import tower_records
from co2net_phys.fluxes.transport import BRIDGE_STEP, known_transport
from co2net_phys.inversion.observation_operator import StationOperator
from co2net_phys.inversion.transport_model import TransportModel
from co2net_phys.regridding import ConservativeRegridder
from co2net_phys.task import TOTAL

TRUNCATION = 5


class Nothing:
    """No known fluxes."""

    components = ("none",)

    def __init__(self, shape):
        self._shape = shape

    def at(self, seconds):
        return np.zeros((1, *self._shape))


class Steady(Nothing):
    """One map in all months, as a known flux."""

    def __init__(self, flux):
        super().__init__(flux.shape)
        self._flux = flux

    def at(self, seconds):
        return self._flux[None]


LONG_STEP = 21600.0
"""Seconds: exactness does not depend on the time step; at this truncation it may be long."""


def transport_of(store, longest_step):
    return TransportModel(
        store, TRUNCATION, exchange=True, diffusivity=1e5, longest_step=longest_step
    )


@pytest.fixture(scope="module")
def transport(small_world):
    """75 days of winds twice a day from 2001 on, five stations."""
    world = small_world(frames=150).isel(station=slice(0, 5)).copy()
    start = np.datetime64("2001-01-01", "ns")
    world = world.assign_coords(time=start + np.arange(150) * np.timedelta64(12, "h"))
    return transport_of(TrainingStore(world, "world.nc"), LONG_STEP)


@pytest.fixture(scope="module")
def window(transport):
    frames = np.arange(40, 48)
    model = transport.window(frames, Nothing(transport.harmonics.grid.shape))
    operator = StationOperator(transport.store.stations, TRUNCATION)
    entries = len(model.forcing.moles)
    months = (torch.arange(entries) >= entries // 3).long()
    random = np.random.default_rng(0)
    weights = torch.from_numpy(random.random((8, 5)) / 4)
    return StationResponse(model, operator, months, weights)


@pytest.fixture(scope="module")
def bridge(transport):
    done = []
    known = Nothing(transport.harmonics.grid.shape)
    built = physics_bridge(transport, np.arange(5), known, memory_days=14, progress=done.append)
    assert done == [1]
    return built


def test_the_adjoint_gives_the_same_matrix_as_runs_of_the_basis(window):
    matrix = window.matrix()
    shape = matrix.shape[1:]
    random = np.random.default_rng(1)
    cells = random.choice(int(np.prod(shape)), 12, replace=False)
    basis = torch.zeros(12, int(np.prod(shape)), dtype=torch.float64)
    basis[torch.arange(12), torch.from_numpy(cells)] = 1.0
    with torch.no_grad():
        columns = window(basis.reshape(12, *shape))
    by_adjoint = matrix.reshape(5, -1)[:, cells].T
    scale = float(matrix.abs().max())
    assert scale > 0 and float((columns - by_adjoint).abs().max()) < 1e-10 * scale


def test_matrix_and_transport_agree_for_any_flux(window):
    random = np.random.default_rng(2)
    matrix = window.matrix()
    flux = torch.from_numpy(random.standard_normal((3, *matrix.shape[1:])))
    with torch.no_grad():
        direct = window(flux)
    by_matrix = torch.einsum("smyx,kmyx->ks", matrix, flux)
    assert float((direct - by_matrix).abs().max()) < 1e-10 * float(direct.abs().max())


def test_known_fluxes_and_the_matrix_add_up(window, transport):
    """The ordinary model with a flux as its prior: affine, so baseline plus matrix."""
    random = np.random.default_rng(3)
    flux = random.standard_normal(transport.harmonics.grid.shape)
    initial = transport.harmonics.to_modal(torch.full(flux.shape, 400.0).double())
    with_flux = replace(window, model=transport.window(np.arange(40, 48), Steady(flux)))
    expected = with_flux.baseline(initial)
    constant = torch.from_numpy(flux).expand(2, -1, -1)
    added = torch.einsum("smyx,myx->s", window.matrix(), constant)
    total = window.baseline(initial) + added
    assert float((total - expected).abs().max()) < 1e-9


def test_a_later_flux_has_no_effect(window):
    early = replace(window, weights=window.weights * (torch.arange(8) < 2)[:, None])
    matrix = early.matrix()
    assert float(matrix[:, 1].abs().max()) == 0.0 < float(matrix[:, 0].abs().max())


def test_months_are_windows_of_their_own(bridge, transport):
    assert bridge.months.astype(str).tolist() == ["2001-02"]
    assert bridge.response.shape == (1, 5, 2, *transport.harmonics.grid.shape)
    assert bridge.codes == tuple(station.code for station in transport.store.stations)
    values = transport.store.dataset[STATION_CO2].sel(time="2001-02").transpose("time", "station")
    np.testing.assert_allclose(bridge.observed[0], values.mean("time"), rtol=1e-6)
    assert bool((bridge.error > 0.3).all())
    february, january = bridge.response[0].abs().sum((0, 2, 3))
    assert float(february) > 3 * float(january) > 0


def test_the_bridge_is_the_transport_of_a_whole_record(bridge, transport):
    """Baseline plus response against one run from the first frame on."""
    random = np.random.default_rng(4)
    flux = random.standard_normal(transport.harmonics.grid.shape)
    frames = np.arange((31 + 28) * 2)
    model = transport.window(frames, Steady(flux))
    above = model.forcing.above[0].expand(*flux.shape).contiguous()
    inside = (frames >= 62)[:, None]
    values = transport.store.observations(frames, np.arange(5))
    given = torch.from_numpy(np.isfinite(values) & inside).double()
    whole = StationResponse(
        model,
        StationOperator(transport.store.stations, TRUNCATION),
        torch.zeros(len(model.forcing.moles), dtype=torch.int64),
        given / given.sum(0),
    ).baseline(transport.harmonics.to_modal(above))
    by_bridge = bridge.baseline[0] + torch.einsum(
        "slyx,yx->s", bridge.response[0], torch.from_numpy(flux)
    )
    effect = float((whole - bridge.baseline[0]).abs().max())
    assert float((whole - by_bridge).abs().max()) < 0.1 * effect


def test_pixels_get_what_conservative_regridding_gives_them(bridge, coarse_land):
    random = np.random.default_rng(5)
    grid, pixels = coarse_land.grid, coarse_land.land
    nee = np.zeros(grid.shape)
    nee[tuple(pixels.T)] = random.standard_normal(len(pixels))
    land = coarse_land.fractions.sum(axis=0)
    on_transport = ConservativeRegridder(grid, bridge.grid)(nee * land) / TO_GRAMS_PER_DAY
    expected = np.einsum("islyx,yx->isl", bridge.response, on_transport)
    at_pixels = bridge.at_pixels(grid, pixels).numpy()
    np.testing.assert_allclose(at_pixels @ nee[tuple(pixels.T)], expected, rtol=1e-10)


def test_lags_count_back_from_the_month_of_the_observation():
    response = torch.zeros(2, 1, 2, 1).double()
    response[:, :, 0], response[:, :, 1] = 3.0, 5.0
    daily = torch.tensor([[1.0], [3.0], [10.0], [100.0], [300.0]]).double()
    months = torch.tensor([0, 0, 1, 2, 2])
    assert monthly_means(daily, months).ravel().tolist() == [2.0, 10.0, 200.0]
    nothing = torch.zeros(2, 1).double()
    sample = StationSample(daily, months, response, nothing + 400, nothing, nothing + 1)
    assert station_values(sample, daily).ravel().tolist() == [400 + 30 + 10, 400 + 600 + 50]


def test_gradients_of_stations_by_weights(bridge, coarse_land):
    """d(station loss)/d(weights) in float64 against differences, through network and transport."""
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    stations = StationYears(fields, bridge)
    assert stations.years == (2001,)
    sample = stations.sample(2001, 2, 10)
    assert sample.months.bincount().tolist() == [3, 3]
    sample = StationSample(
        *(part.double() if part.is_floating_point() else part for part in sample)
    )
    statistics = tower_records(coarse_land.towers(), "towers.nc").statistics()
    model = FluxNetwork(FluxConfig(statistics=statistics, width=3)).double()
    names, weights = zip(*model.named_parameters(), strict=True)

    def values(*given):
        nee = torch.func.functional_call(
            model, dict(zip(names, given, strict=True)), sample.drivers
        )
        return station_values(sample, nee)

    start = tuple(weight.detach().requires_grad_() for weight in weights)
    assert float(torch.autograd.grad(values(*start).sum(), start)[0].abs().max()) > 0
    assert torch.autograd.gradcheck(values, start, eps=1e-7, atol=1e-4, rtol=1e-4)


def test_a_station_that_never_reports_judges_no_fold(bridge, coarse_land):
    silent = replace(bridge, observed=bridge.observed.clone())
    silent.observed[:, 2] = torch.nan
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    stations = StationYears(fields, silent)
    assert stations.codes == bridge.codes
    assert stations.reporting == tuple(code for n, code in enumerate(bridge.codes) if n != 2)
    silent.observed[:] = torch.nan
    with pytest.raises(DataError, match="no station reports while there are drivers"):
        StationYears(fields, silent)


@pytest.mark.parametrize("name", ["response", "baseline", "observed", "error"])
def test_a_bridge_is_known_by_what_it_holds(name, bridge, coarse_land):
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    same = replace(bridge, **{name: getattr(bridge, name).clone()})
    other = replace(bridge, **{name: getattr(bridge, name) + 0.01})
    one, again, changed = (StationYears(fields, b).digests for b in (bridge, same, other))
    assert one == again != changed


def test_held_out_stations_are_not_seen_but_judge(bridge, coarse_land):
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    records = tower_records(coarse_land.towers(), "towers.nc")
    fold = make_folds(records.reporting, stations=bridge.codes, count=5)[1]
    data = FluxData(records, fold, stations=StationYears(fields, bridge))
    place = bridge.codes.index(fold.validation_stations[0])
    sample = data.sample(np.arange(5000), 0, 0)
    assert bool(torch.isnan(sample.stations.observed[:, place]).all())
    assert int(torch.isfinite(sample.stations.observed).sum()) == 4
    learner = FluxLearner(
        FluxNetwork(FluxConfig(statistics=data.training.statistics())), with_stations=True
    )
    terms = learner(sample)
    assert set(terms) == {TOWERS, STATIONS, TOTAL}
    assert set(learner.objective.uncertainty) == {TOWERS, STATIONS}
    with_stations = data.validation_error(learner)
    alone = FluxData(records, fold).validation_error(learner)
    assert np.isfinite(with_stations) and with_stations != alone


def test_its_long_steps_tell_stations_what_short_ones_do(window, transport):
    """Means over four days with the step of the bridge, and with one a sixth as long."""
    found = []
    for step in (BRIDGE_STEP, BRIDGE_STEP / 6):
        model = transport_of(transport.store, step).window(
            np.arange(40, 48), Nothing(transport.harmonics.grid.shape)
        )
        months = torch.zeros(len(model.forcing.moles), dtype=torch.int64)
        found.append(replace(window, model=model, months=months).matrix())
    assert float((found[0] - found[1]).norm() / found[1].norm()) < 0.02


def test_files_hold_the_bridge(bridge, tmp_path):
    path = tmp_path / "bridge.nc"
    write_physics_bridge(path, bridge)
    again = read_physics_bridge(path)
    assert again.codes == bridge.codes and np.array_equal(again.months, bridge.months)
    assert again.grid.is_like(bridge.grid)
    for name in ("response", "baseline", "observed", "error"):
        torch.testing.assert_close(
            getattr(again, name), getattr(bridge, name), rtol=1e-6, atol=1e-8, equal_nan=True
        )
    with pytest.raises(DataError, match="already exists"):
        write_physics_bridge(path, bridge)


def test_a_record_without_a_whole_month_is_refused(transport):
    with pytest.raises(DataError, match=r"world\.nc: time: no whole month with 60 days before"):
        known = Nothing(transport.harmonics.grid.shape)
        physics_bridge(transport, np.arange(5), known, memory_days=60)


@pytest.fixture
def real_air(small_world, tmp_path):
    """Winds and mole fractions; and a function that writes fluxes of some names beside them."""
    world = small_world(frames=4)
    world.to_netcdf(tmp_path / "stations.nc")

    def write(*names):
        grid = world[["latitude", "longitude"]]
        flux = ("latitude", "longitude"), np.ones((18, 24)), {"units": "mol m-2 s-1"}
        path = tmp_path / f"{'-'.join(names)}.nc"
        grid.assign(dict.fromkeys(names, flux)).to_netcdf(path)
        return tmp_path / "stations.nc", path

    return write


def test_fires_may_be_known_as_well(real_air):
    _, known = known_transport(*real_air("fossil", "fire", "ocean"))
    assert set(known.components) == {"fossil", "fire", "ocean"}
    assert known.at(0.0).shape[0] == 3


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("fossil", "ocean", "bio"), "bio: only fossil, ocean, fire are taken as known"),
        (("fossil", "fire"), "ocean: no such mole flux"),
    ],
)
def test_fluxes_that_cannot_be_the_known_part(real_air, names, problem):
    with pytest.raises(DataError, match=problem):
        known_transport(*real_air(*names))


def test_air_that_is_not_the_packages_own_is_warned_of(real_air, caplog):
    stations, fluxes = real_air("fossil", "ocean")
    known_transport(stations, fluxes)
    assert "stations.nc: no simulation of this package" in caplog.text
    caplog.clear()
    own = stations.with_name("own.nc")
    with xr.open_dataset(stations) as data:
        data.assign_attrs(summary="Part of a synthetic world.").to_netcdf(own)
    known_transport(own, fluxes)
    assert not caplog.records
