"""The kriging operator against PyKrige, against brute force and against its own theorems."""

import numpy as np
import pytest
import synthetic_world as world
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pykrige.ok import OrdinaryKriging as PyKrige

from co2net_phys.baselines.climatology_kriging import choose_operator
from co2net_phys.baselines.kriging import KrigingOperator
from co2net_phys.baselines.sphere import great_circle_degrees
from co2net_phys.baselines.variogram import (
    DEFAULT_PARAMETERS,
    MODELS,
    NUGGET_FLOOR,
    fit_variogram,
    merge_places,
    same_place,
)
from co2net_phys.batch import Coordinates, Observations

SILL, REACH, NUGGET = 4.0, 70.0, 0.3


def grid():
    times = torch.zeros(1, 1)
    return Coordinates(
        torch.from_numpy(world.LATITUDE), torch.from_numpy(world.LONGITUDE), times, times, times
    )


def operator(model="spherical", nugget=NUGGET):
    made = KrigingOperator(model=model)
    made.variogram.copy_(torch.tensor([SILL, REACH, nugget]))
    return made


def network(count=25, frames=4, seed=0):
    """Values (B, S) around 400 ppm and positions (S,) anywhere on the sphere."""
    random = np.random.default_rng(seed)
    latitude = np.rad2deg(np.arcsin(random.uniform(-1, 1, count)))
    longitude = random.uniform(-180, 180, count)
    values = 400 + random.normal(scale=3, size=(frames, count))
    return tuple(map(torch.from_numpy, (values, latitude, longitude)))


def pykrige_field(values, latitude, longitude, model, nugget):
    """PyKrige's field (H, W) with the same variogram from the stations that report."""
    there = torch.isfinite(values)
    kriging = PyKrige(
        longitude[there].numpy() % 360,
        latitude[there].numpy(),
        values[there].numpy(),
        variogram_model=model,
        variogram_parameters={"psill": SILL, "range": REACH, "nugget": nugget},
        coordinates_type="geographic",
        pseudo_inv=True,
    )
    return kriging.execute("grid", world.LONGITUDE % 360, world.LATITUDE)[0].data


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("nugget", [0.0, NUGGET])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_agrees_with_pykrige_at_every_cell(model, nugget, missing):
    values, latitude, longitude = network()
    lost = torch.from_numpy(np.random.default_rng(5).random(values.shape) < missing)
    values[lost] = float("nan")
    fields = operator(model, nugget)(values, latitude, longitude, grid())
    for field, frame in zip(fields, values, strict=True):
        expected = pykrige_field(frame, latitude, longitude, model, nugget)
        np.testing.assert_allclose(field, expected, rtol=0, atol=1e-6)


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


def test_leave_one_out_shortcut_agrees_with_leaving_each_station_out():
    values, latitude, longitude = network(count=12, frames=2)
    values[0, 3] = float("nan")
    krige = operator()
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


@pytest.mark.parametrize("truth", MODELS)
def test_chosen_variogram_model_has_the_smaller_leave_one_out_error(truth):
    _, latitude, longitude = network(count=60)
    apart = great_circle_degrees(latitude, longitude, latitude, longitude)
    root = torch.linalg.cholesky(operator(truth).covariance(apart))
    draws = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 60))) @ root.T
    scores = {}
    for model in MODELS:
        krige = KrigingOperator(model=model)
        parameters = fit_variogram(draws.numpy(), latitude.numpy(), longitude.numpy(), model)
        krige.variogram.copy_(torch.tensor(parameters))
        scores[model] = krige.leave_one_out(draws, latitude, longitude, grid()).square().mean()
    chosen = choose_operator(draws, Observations(draws[None], latitude, longitude), grid())
    assert chosen.model == min(scores, key=scores.__getitem__)
