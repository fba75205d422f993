"""Padding on the globe: an analytic field continues around the Earth and over its poles."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.columns.padding import SphereConv, pad_sphere


def harmonic(latitude, longitude):
    """A smooth field of position in space, so that it is one at the poles."""
    phi, lam = np.radians(latitude)[:, None], np.radians(longitude)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi) + 0 * lam
    return x + 2 * y - 3 * z + x * y + y * z**2


def steady_wind(latitude, longitude):
    """East and north components of the constant vector (1, 2, 3) in space."""
    phi, lam = np.radians(latitude)[:, None], np.radians(longitude)
    east = -np.sin(lam) + 2 * np.cos(lam) + 0 * phi
    north = -np.sin(phi) * (np.cos(lam) + 2 * np.sin(lam)) + 3 * np.cos(phi)
    return np.stack([east, north])


def extended(axis, margin):
    step = axis[1] - axis[0]
    return axis[0] + step * np.arange(-margin, len(axis) + margin)


AXES = {False: np.arange(-84.0, 90, 12), True: np.linspace(-90, 90, 16)}
EAST = np.arange(0.0, 360, 30)


@pytest.mark.parametrize("rows_at_poles", [False, True])
@pytest.mark.parametrize("margin", [1, 2, 5])
def test_a_scalar_goes_on_over_the_poles_and_around_the_earth(rows_at_poles, margin):
    north = AXES[rows_at_poles]
    field = torch.from_numpy(harmonic(north, EAST))[None, None]
    padded = pad_sphere(field, margin, rows_at_poles=rows_at_poles)[0, 0]
    # Latitudes beyond 90 degrees in the formula are those on the other side of the pole.
    expected = harmonic(extended(north, margin), extended(EAST, margin))
    np.testing.assert_allclose(padded.numpy(), expected, atol=1e-13)


@pytest.mark.parametrize("rows_at_poles", [False, True])
def test_components_of_a_vector_go_on_with_the_other_sign(rows_at_poles):
    north = AXES[rows_at_poles]
    wind = torch.from_numpy(steady_wind(north, EAST))[None]
    minus = torch.tensor([-1.0, -1.0], dtype=torch.float64)
    padded = pad_sphere(wind, 2, minus, rows_at_poles=rows_at_poles)[0]
    beyond = extended(north, 2)
    across = np.abs(beyond) > 90
    mirrored = np.where(across, np.sign(beyond) * 180 - beyond, beyond)  # 95 degrees is 85 there
    for row, latitude in enumerate(mirrored):
        there = extended(EAST, 2) + 180 * across[row]
        expected = steady_wind(np.array([latitude]), there)[:, 0] * (-1 if across[row] else 1)
        np.testing.assert_allclose(padded[:, row].numpy(), expected, atol=1e-13)


@settings(max_examples=30, deadline=None)
@given(turn=st.integers(0, 11), margin=st.integers(1, 4), poles=st.booleans(), seed=st.integers())
def test_padding_turns_with_the_earth_and_mirrors_at_the_equator(turn, margin, poles, seed):
    field = torch.randn(1, 2, 7, 12, generator=torch.Generator().manual_seed(seed % 2**63))
    signs = torch.tensor([1.0, -1.0])

    def pad(values):
        return pad_sphere(values, margin, signs, rows_at_poles=poles)

    inside = pad(field)[..., margin:-margin]
    turned = pad(field.roll(turn, dims=-1))[..., margin:-margin]
    assert torch.equal(turned, inside.roll(turn, dims=-1))
    assert torch.equal(pad(field.flip(-2)), pad(field).flip(-2))
    assert torch.equal(pad(field.flip(-1)), pad(field).flip(-1))


def test_a_convolution_is_the_sum_over_neighbours_on_the_globe():
    torch.manual_seed(0)
    layer = SphereConv(2, 3, 3, rows_at_poles=False, signs=(1, -1)).double()
    field = torch.randn(1, 2, 4, 6, dtype=torch.float64)
    found = layer(field)
    assert found.shape == (1, 3, 4, 6)
    corner = layer.bias.clone()  # at the northernmost row and the last column
    for i, row in enumerate((2, 3, 3)):
        for j, column in enumerate((4, 5, 0)):
            beyond = i == 2
            values = field[0, :, row, (column + 3) % 6 if beyond else column]
            values = values * torch.tensor([1.0, -1.0 if beyond else 1.0])
            corner = corner + math.sqrt(2 / 18) * layer.weight[:, :, i, j] @ values
    torch.testing.assert_close(found[0, :, 3, 5], corner)


@pytest.mark.parametrize(("channels", "kernel"), [(64, 1), (167, 3), (160, 5)])
def test_weights_begin_with_variance_1_in_the_middle_and_keep_that_of_features(channels, kernel):
    torch.manual_seed(0)
    layer = SphereConv(channels, 256, kernel)
    found = layer.weight.detach().square().mean(dim=(0, 1))
    assert float(found.mean()) == pytest.approx(1, rel=0.03)
    assert kernel == 1 or float(found[kernel // 2, kernel // 2]) > 0.6 * float(found.sum())
    with torch.no_grad():
        rectified = layer(torch.randn(8, channels, 6, 12)).relu()
    assert float(rectified.square().mean()) == pytest.approx(1, rel=0.1)  # He et al. (2015)


def test_steps_of_one_size_change_layers_with_few_and_many_inputs_alike():
    """All weights move by 1 % of their size, up or down by chance."""
    for channels, kernel in ((7, 5), (160, 5), (64, 1)):
        torch.manual_seed(0)
        layer, field = SphereConv(channels, 64, kernel), torch.randn(4, channels, 8, 16)
        with torch.no_grad():
            before = layer(field)
            layer.weight += 0.01 * torch.randn(layer.weight.shape).sign()
            change = layer(field) - before
        assert float(change.std() / before.std()) == pytest.approx(0.01, rel=0.1)
