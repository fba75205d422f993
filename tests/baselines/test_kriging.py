"""The kriging operator against PyKrige, against brute force and against its own theorems."""

import numpy as np
import pytest
import synthetic_world as world
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykrige.ok import OrdinaryKriging as PyKrige

from co2net_phys.baselines import BASELINES
from co2net_phys.baselines.climatology_kriging import CANDIDATES, choose_operator
from co2net_phys.baselines.kriging import KrigingOperator, smallest_contrast
from co2net_phys.baselines.sphere import great_circle_degrees, grid_points
from co2net_phys.baselines.variogram import (
    DEFAULT_PARAMETERS,
    MODELS,
    NUGGET_FLOOR,
    fit_variogram,
    merge_places,
    same_place,
)
from co2net_phys.batch import Coordinates, Observations
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.errors import NumericalError

SILL, REACH, NUGGET = 4.0, 70.0, 0.3
SECOND = {"linear": 180.0, "power": 0.7, "gaussian": 85.0, "spherical": 70.0, "exponential": 70.0}
"""Range in degrees or exponent of each model."""
PYKRIGE = {
    "linear": {"slope": SILL / 180.0},
    "power": {"scale": SILL / 180.0 ** SECOND["power"], "exponent": SECOND["power"]},
    **{m: {"psill": SILL, "range": SECOND[m]} for m in ("gaussian", "spherical", "exponential")},
}
"""The same variograms in the words of PyKrige."""
WELL_CONDITIONED = [
    (model, nugget)
    for model in MODELS
    for nugget in (0.0, NUGGET)
    if (model, nugget) != ("gaussian", 0.0)
]


def grid():
    times = torch.zeros(1, 1)
    return Coordinates(
        torch.from_numpy(world.LATITUDE), torch.from_numpy(world.LONGITUDE), times, times, times
    )


def operator(model="spherical", nugget=NUGGET):
    made = KrigingOperator(model=model)
    made.variogram.copy_(torch.tensor([SILL, SECOND[model], nugget], dtype=torch.float64))
    return made


def network(count=25, frames=4, seed=0):
    """Values (B, S) around 400 ppm and positions (S,) anywhere on the sphere."""
    random = np.random.default_rng(seed)
    latitude = np.rad2deg(np.arcsin(random.uniform(-1, 1, count)))
    longitude = random.uniform(-180, 180, count)
    values = 400 + random.normal(scale=3, size=(frames, count))
    return tuple(map(torch.from_numpy, (values, latitude, longitude)))


def pykrige(values, latitude, longitude, model, nugget):
    """PyKrige's field and kriging variance (H, W) with the same variogram from what reports."""
    there = torch.isfinite(values)
    kriging = PyKrige(
        longitude[there].numpy() % 360,
        latitude[there].numpy(),
        values[there].numpy(),
        variogram_model=model,
        variogram_parameters=PYKRIGE[model] | {"nugget": nugget},
        coordinates_type="geographic",
        pseudo_inv=True,
    )
    field, variance = kriging.execute("grid", world.LONGITUDE % 360, world.LATITUDE)
    return field.data, variance.data


@pytest.mark.parametrize(("model", "nugget"), WELL_CONDITIONED)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_field_and_standard_error_agree_with_pykrige_at_every_cell(model, nugget, missing, caplog):
    values, latitude, longitude = network()
    lost = torch.from_numpy(np.random.default_rng(5).random(values.shape) < missing)
    values[lost] = float("nan")
    krige = operator(model, nugget)
    fields = krige(values, latitude, longitude, grid())
    errors = krige.standard_error(values, latitude, longitude, grid())
    for field, error, frame in zip(fields, errors, values, strict=True):
        expected, variance = pykrige(frame, latitude, longitude, model, nugget)
        np.testing.assert_allclose(field, expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(error.square(), variance, rtol=0, atol=1e-8)
    assert not caplog.records


def test_gaussian_without_nugget_is_reported_and_stays_within_reason(caplog):
    """The same network makes PyKrige's field absurd, as in table 17 of the CO2-Net paper."""
    values, latitude, longitude = network(count=72)
    field = operator("gaussian", 0.0)(values, latitude, longitude, grid())
    absurd, _ = pykrige(values[0], latitude, longitude, "gaussian", 0.0)
    assert np.abs(absurd - 400.0).max() > 1000.0
    assert (field - 400.0).abs().max() < 40.0
    assert len(caplog.records) == 1
    assert "gaussian" in caplog.text and "nugget" in caplog.text


@pytest.mark.parametrize(("model", "second"), [("power", 1.9), ("gaussian", 600.0)])
def test_variogram_that_is_none_on_the_sphere_is_refused(model, second):
    values, latitude, longitude = network(count=72)
    krige = operator(model)
    krige.variogram[1] = second
    with pytest.raises(NumericalError, match=model) as refused:
        krige(values, latitude, longitude, grid())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("model", "second"),
    [
        *(("linear", 180.0), ("power", 0.3), ("power", 1.0), ("gaussian", 90.0)),
        *(
            (model, reach)
            for model in ("spherical", "exponential")
            for reach in (10.0, 90.0, 300.0)
        ),
    ],
)
def test_every_contrast_between_cells_of_the_globe_has_a_positive_variance(model, second):
    """So that no kriging variance is negative: with the nugget of a fit for the Gaussian."""
    cells = grid_points(torch.from_numpy(world.LATITUDE), torch.from_numpy(world.LONGITUDE))
    krige = operator(model, NUGGET_FLOOR * SILL if model == "gaussian" else 0.0)
    krige.variogram[1] = second
    covariance = krige.covariance(great_circle_degrees(*cells, *cells))
    assert smallest_contrast(covariance) > -1e-12 * SILL * len(cells[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(MODELS)))
@settings(max_examples=25, deadline=None)
def test_fewer_stations_never_make_the_system_worse(seed, model):
    _, latitude, longitude = network(seed=seed)
    covariance = operator(model).covariance(
        great_circle_degrees(latitude, longitude, latitude, longitude)
    )
    kept = torch.from_numpy(np.random.default_rng(seed).permutation(25)[:14])
    assert smallest_contrast(covariance[kept][:, kept]) >= smallest_contrast(covariance) - 1e-9


def test_smallest_contrast_is_that_of_weights_that_sum_to_zero():
    root = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 7)))
    covariance = root @ root.T
    basis = torch.linalg.qr(torch.cat([torch.ones(7, 1), torch.eye(7)[:, :6]], dim=1).double())[0]
    contrasts = basis[:, 1:]
    expected = torch.linalg.eigvalsh(contrasts.T @ covariance @ contrasts)[0]
    torch.testing.assert_close(smallest_contrast(covariance), expected)


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(MODELS)))
@settings(max_examples=25, deadline=None)
def test_standard_error_is_zero_at_stations_and_grows_where_stations_fall_silent(seed, model):
    rows, columns = world.cells(seed % 1000)
    latitude, longitude = (
        torch.from_numpy(world.LATITUDE[rows]),
        torch.from_numpy(world.LONGITUDE[columns]),
    )
    values = network(count=len(rows), frames=2)[0]
    values[1, ::3] = float("nan")
    errors = operator(model).standard_error(values, latitude, longitude, grid())
    assert errors[0, rows, columns].abs().max() < 1e-5
    assert (errors[1] - errors[0]).min() > -1e-5


def test_standard_error_is_unknown_where_no_station_reports(store):
    stations = world.ALL_STATIONS
    batch = world.make_batch(store, [170, 180], stations)
    batch.observations.value[0] = float("nan")
    result = BASELINES["kriging"].fit(store, world.TRAINING, stations).with_standard_error(batch)
    assert list(result.fields) == [CO2, standard_error_name(CO2)]
    error = result.fields[standard_error_name(CO2)]
    assert error.shape == (2, 1, 18, 24) and error.dtype == torch.float32
    assert error[0].isnan().all() and (error[1] >= 0).all() and error[1].max() > 0.1


@pytest.mark.parametrize("nugget", [0.0, NUGGET])
def test_field_has_the_observed_values_at_stations_on_cell_centres(nugget):
    rows, columns = world.cells()
    latitude, longitude = (
        torch.from_numpy(world.LATITUDE[rows]),
        torch.from_numpy(world.LONGITUDE[columns]),
    )
    values = network(count=len(rows))[0]
    field = operator(nugget=nugget)(values, latitude, longitude, grid())
    torch.testing.assert_close(field[:, rows, columns], values, rtol=0, atol=1e-8)


@given(st.integers(0, 23), st.integers(0, 2**32 - 1), st.sampled_from(sorted(MODELS)))
@settings(max_examples=25, deadline=None)
def test_turning_the_network_about_the_pole_turns_the_field(turns, seed, model):
    values, latitude, longitude = network(seed=seed)
    krige = operator(model)
    field = krige(values, latitude, longitude, grid())
    turned = krige(values, latitude, longitude + 15.0 * turns, grid())
    torch.testing.assert_close(turned, field.roll(turns, dims=2), rtol=0, atol=1e-7)


@given(st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_weights_sum_to_one(shift, seed):
    values, latitude, longitude = network(seed=seed)
    krige = operator()
    field = krige(values, latitude, longitude, grid())
    torch.testing.assert_close(
        krige(values + shift, latitude, longitude, grid()), field + shift, rtol=0, atol=1e-7
    )


def test_stations_in_the_same_place_count_once_with_their_mean():
    values, latitude, longitude = network()
    twice = [torch.cat([axis, axis[:1]]) for axis in (latitude, longitude)]
    apart = torch.cat([values, values[:, :1] + 2.0], dim=1)
    merged = values.clone()
    merged[:, 0] += 1.0
    krige = operator(nugget=0.0)
    torch.testing.assert_close(
        krige(apart, *twice, grid()), krige(merged, latitude, longitude, grid())
    )


def test_merging_averages_what_reports_and_knows_the_pole_and_the_dateline():
    latitude = torch.tensor([90.0, 90.0, 10.0, 10.0, 20.0], dtype=torch.float64)
    longitude = torch.tensor([0.0, 77.0, 180.0, -180.0, 5.0], dtype=torch.float64)
    place = same_place(latitude, longitude)
    assert place[0] == place[1] and place[2] == place[3] and len(place.unique()) == 3
    nan = float("nan")
    values = torch.tensor([[1.0, 3.0, nan, 5.0, nan]])
    merged = merge_places(values, place)[0, place]
    expected = torch.tensor([2.0, 2.0, 5.0, 5.0, nan])
    torch.testing.assert_close(merged, expected, equal_nan=True)


@pytest.mark.parametrize("model", MODELS)
def test_leave_one_out_shortcut_agrees_with_leaving_each_station_out(model):
    values, latitude, longitude = network(count=12, frames=2)
    values[0, 3] = float("nan")
    krige = operator(model)
    errors = krige.leave_one_out(values, latitude, longitude, grid())
    order = same_place(latitude, longitude)
    for station in range(12):
        silent = values.clone()
        silent[:, station] = float("nan")
        one, times = slice(station, station + 1), [torch.zeros(1, 1)] * 3
        here = Coordinates(latitude[one], longitude[one], *times)
        predicted = krige(silent, latitude, longitude, here)[:, 0, 0]
        torch.testing.assert_close(
            errors[:, order[station]], values[:, station] - predicted, equal_nan=True
        )


def test_matrices_follow_a_change_of_variogram_and_of_network():
    values, latitude, longitude = network()
    krige = operator()
    before = krige(values, latitude, longitude, grid())
    krige.load_state_dict(operator(nugget=2.0).state_dict())
    after = krige(values, latitude, longitude, grid())
    torch.testing.assert_close(after, operator(nugget=2.0)(values, latitude, longitude, grid()))
    assert (after - before).abs().max() > 0.1
    other = krige(values, latitude.flip(0), longitude, grid())
    assert (after - other).abs().max() > 0.1


def test_great_circles_of_known_length():
    latitude, longitude = torch.tensor([0.0, 90.0, 0.0]), torch.tensor([0.0, 33.0, 180.0])
    lengths = great_circle_degrees(latitude, longitude, latitude, longitude)
    expected = torch.tensor([[0, 90, 180], [90, 0, 90], [180, 90, 0]], dtype=torch.float64)
    torch.testing.assert_close(lengths, expected, rtol=0, atol=1e-5)


def test_variogram_of_a_drawn_random_field_is_recovered():
    """Draws from the spherical model itself; medians of 40 fits come within a third."""
    _, latitude, longitude = network(count=120)
    apart = great_circle_degrees(latitude, longitude, latitude, longitude)
    root = torch.linalg.cholesky(operator(nugget=0.4).covariance(apart))
    draws = np.random.default_rng(0).normal(size=(40, 120)) @ root.numpy().T
    sill, reach, nugget = fit_variogram(draws, latitude.numpy(), longitude.numpy(), "spherical")
    assert sill + nugget == pytest.approx(SILL + 0.4, rel=0.33)
    assert reach == pytest.approx(REACH, rel=0.33)
    assert nugget >= NUGGET_FLOOR * sill


def test_constant_and_sparse_data_get_the_default_variogram():
    _, latitude, longitude = (part.numpy() for part in network())
    constant = np.full((5, 25), 400.0)
    assert fit_variogram(constant, latitude, longitude, "spherical") == DEFAULT_PARAMETERS
    sparse = constant + np.random.default_rng(0).normal(size=(5, 25))
    sparse[:, 4:] = np.nan
    assert fit_variogram(sparse, latitude, longitude, "spherical") == DEFAULT_PARAMETERS
    seconds = [fit_variogram(constant, latitude, longitude, model)[1] for model in MODELS]
    assert dict(zip(MODELS, seconds, strict=True)) == {
        **dict.fromkeys(MODELS, DEFAULT_PARAMETERS[1]),
        "linear": 180.0,
        "power": 1.0,
    }


def test_slope_of_a_drawn_linear_variogram_is_recovered():
    _, latitude, longitude = network(count=120)
    apart = great_circle_degrees(latitude, longitude, latitude, longitude)
    root = torch.linalg.cholesky(operator("linear", 0.4).covariance(apart))
    draws = np.random.default_rng(0).normal(size=(40, 120)) @ root.numpy().T
    sill, reach, nugget = fit_variogram(draws, latitude.numpy(), longitude.numpy(), "linear")
    assert (sill, reach) == (pytest.approx(SILL, rel=0.33), 180.0)
    assert 0 < nugget < 1.0


@pytest.mark.parametrize(("model", "largest"), [("power", 1.0), ("gaussian", 90.0)])
def test_fit_to_a_smooth_slope_stays_within_what_the_sphere_allows(model, largest):
    """A field that rises from pole to pole has a quadratic variogram."""
    _, latitude, longitude = network(count=60)
    slope = 4.0 * np.sin(np.deg2rad(latitude.numpy()))[None].repeat(3, axis=0)
    sill, second, nugget = fit_variogram(slope, latitude.numpy(), longitude.numpy(), model)
    assert second == largest
    assert sill > 0 and nugget >= NUGGET_FLOOR * sill


@pytest.mark.parametrize("truth", CANDIDATES)
def test_chosen_variogram_model_has_the_smaller_leave_one_out_error(truth):
    _, latitude, longitude = network(count=60)
    apart = great_circle_degrees(latitude, longitude, latitude, longitude)
    root = torch.linalg.cholesky(operator(truth).covariance(apart))
    draws = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 60))) @ root.T
    scores = {}
    for model in CANDIDATES:
        krige = KrigingOperator(model=model)
        parameters = fit_variogram(draws.numpy(), latitude.numpy(), longitude.numpy(), model)
        krige.variogram.copy_(torch.tensor(parameters))
        scores[model] = krige.leave_one_out(draws, latitude, longitude, grid()).square().mean()
    chosen = choose_operator(draws, Observations(draws[None], latitude, longitude), grid())
    assert chosen.model == min(scores, key=scores.__getitem__)
