import pytest
import torch

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.losses import (
    gaussian_loss,
    gaussian_station_loss,
    station_loss,
    supervised_loss,
    wind_loss,
)

NAN = float("nan")


def axes(batch: int = 1, frames: int = 2) -> Coordinates:
    time = torch.zeros(batch, frames)
    return Coordinates(
        torch.tensor([-60.0, 0, 60]), torch.tensor([-135.0, -45, 45, 135]), time, time, time
    )


def observations(values: list[float], latitude: list[float], longitude: list[float]):
    value = torch.full((1, 2, len(values)), 999.0, dtype=torch.float64)
    value[0, 1] = torch.tensor(values)
    return Observations(value, torch.tensor(latitude), torch.tensor(longitude))


def test_errors_are_measured_in_spreads():
    target = torch.full((2, 1, 3, 4), 400.0)
    assert supervised_loss(target + 10, target, scale=5.0) == 4


def test_nan_targets_neither_count_nor_spoil_the_gradient():
    target = torch.tensor([[1.0, NAN], [3.0, NAN]])
    prediction = torch.tensor([[2.0, 50.0], [3.0, -50.0]], requires_grad=True)
    loss = supervised_loss(prediction, target, scale=1.0)
    loss.backward()
    assert loss == 0.5
    assert torch.equal(prediction.grad, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))


def test_no_target_at_all_costs_nothing():
    prediction = torch.ones(2, 2, requires_grad=True)
    loss = supervised_loss(prediction, torch.full((2, 2), NAN), scale=1.0)
    loss.backward()
    assert loss == 0 and not prediction.grad.any()


def test_weights_average_rows_by_area():
    error = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    weights = torch.tensor([[3.0], [1.0]])
    loss = supervised_loss(error, torch.zeros(2, 2), 1.0, weights)
    assert loss == (3 * 1 + 1 * 4) / 4


def test_weights_of_missing_targets_do_not_dilute_the_rest():
    target = torch.tensor([[0.0, NAN], [0.0, 0.0]])
    loss = supervised_loss(torch.full((2, 2), 2.0), target, 1.0, torch.tensor([[5.0], [1.0]]))
    assert loss == 4


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
def test_the_station_loss_looks_at_reporting_stations_at_the_last_frame(sampling):
    field = torch.full((1, 1, 3, 4), 400.0, dtype=torch.float64)
    field[0, 0, 1, 2] = 410.0
    seen = observations([406.0, NAN, 400.0], [0.0, 30.0, -60.0], [45.0, 45.0, 135.0])
    loss = station_loss(field, seen, axes(), 2.0, sampling)
    assert loss.item() == pytest.approx(((410 - 406) / 2) ** 2 / 2)


def test_bilinear_and_nearest_differ_between_cells():
    field = torch.zeros(1, 1, 3, 4, dtype=torch.float64)
    field[0, 0, 1, 2] = 8.0
    seen = observations([0.0], [0.0], [65.0])
    seen = Observations(seen.value, seen.latitude.double(), seen.longitude.double())
    assert station_loss(field, seen, axes(), 1.0, "nearest").item() == 64
    expected = (8 * 70 / 90) ** 2
    assert station_loss(field, seen, axes(), 1.0, "bilinear").item() == pytest.approx(expected)


def test_both_wind_components_weigh_the_same_in_their_own_spread():
    field = torch.zeros(1, 2, 3, 4)
    empty = Observations(torch.zeros(1, 2, 0), torch.zeros(0), torch.zeros(0))
    truth = Batch({"uas": field, "vas": field}, empty, axes())
    output = Batch({"uas": field + 8, "vas": field + 15}, empty, axes())
    loss = wind_loss(output, truth, {"uas": (3.0, 8.0), "vas": (1.0, 5.0)})
    assert loss == (1 + 9) / 2


@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
def test_gradients_in_double_precision(sampling):
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(1, 1, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 1, 3, 4, generator=generator, dtype=torch.float64)
    target[0, 0, 2, 1] = NAN
    weights = torch.rand(3, 1, generator=generator, dtype=torch.float64)
    seen = observations([1.0, NAN, 2.0], [10.0, 30.0, -80.0], [170.0, 45.0, -100.0])
    assert torch.autograd.gradcheck(lambda x: supervised_loss(x, target, 2.0, weights), field)
    assert torch.autograd.gradcheck(lambda x: station_loss(x, seen, axes(), 2.0, sampling), field)


def test_the_gradient_of_the_wind_loss_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    u, v, up, vp = torch.randn(4, 1, 2, 3, 4, generator=generator, dtype=torch.float64)
    empty = Observations(torch.zeros(1, 2, 0), torch.zeros(0), torch.zeros(0))
    truth = Batch({"uas": u, "vas": v}, empty, axes())

    def loss(x, y):
        output = Batch({"uas": x, "vas": y}, empty, axes())
        return wind_loss(output, truth, {"uas": (0.0, 2.0), "vas": (0.0, 3.0)})

    assert torch.autograd.gradcheck(loss, (up.requires_grad_(), vp.requires_grad_()))


def gaussian_case():
    """Prediction, standard error and target (2, 1, 3, 4) in double precision, one target NaN."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 1, 3, 4)
    mean, target = 400 + 5 * torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    spread = 0.5 + 6 * torch.rand(*shape, generator=generator, dtype=torch.float64)
    target[1, 0, 2, 1] = NAN
    return mean, spread, target


def test_the_gaussian_loss_is_the_log_likelihood_of_torch():
    mean, spread, target = gaussian_case()
    weights = torch.tensor([[1.0], [3.0], [2.0]], dtype=torch.float64)
    scale = 5.0
    known = ~target.isnan()
    normal = torch.distributions.Normal(mean / scale, spread / scale)
    each = -normal.log_prob(target.nan_to_num() / scale)
    share = known * weights
    loss = gaussian_loss(mean, spread, target, scale, weights, beta=0)
    torch.testing.assert_close(loss, (share * each).sum() / share.sum())


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_beta_weights_the_gradient_of_each_cell_by_a_power_of_its_variance(beta):
    mean, spread, target = gaussian_case()
    plain = gradients(lambda m, s: gaussian_loss(m, s, target, 5.0, beta=0), mean, spread)
    weighted = gradients(lambda m, s: gaussian_loss(m, s, target, 5.0, beta=beta), mean, spread)
    for one, other in zip(plain, weighted, strict=True):
        torch.testing.assert_close(other, one * (spread / 5) ** (2 * beta))


def test_with_beta_one_the_mean_learns_as_from_the_mean_square():
    mean, spread, target = gaussian_case()
    (gaussian,) = gradients(lambda m: gaussian_loss(m, spread, target, 5.0, beta=1), mean)
    (square,) = gradients(lambda m: supervised_loss(m, target, 5.0), mean)
    torch.testing.assert_close(2 * gaussian, square)


def gradients(loss, *tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    return torch.autograd.grad(loss(*leaves), leaves)


def test_the_gaussian_loss_does_not_depend_on_the_unit():
    mean, spread, target = gaussian_case()
    in_ppb = gaussian_loss(1e3 * mean, 1e3 * spread, 1e3 * target, 5e3)
    torch.testing.assert_close(in_ppb, gaussian_loss(mean, spread, target, 5.0))


def test_gradients_of_the_gaussian_losses_in_double_precision():
    mean, spread, target = gaussian_case()
    weights = torch.rand(3, 1, dtype=torch.float64)
    leaves = (mean.requires_grad_(), spread.requires_grad_())
    seen = observations([401.0, NAN, 396.0], [10.0, 30.0, -80.0], [170.0, 45.0, -100.0])
    seen = Observations(seen.value.expand(2, -1, -1), seen.latitude, seen.longitude)
    for loss in (
        lambda m, s: gaussian_loss(m, s, target, 5.0, weights, beta=0),
        lambda m, s: gaussian_station_loss(m, s, seen, axes(2), 5.0, beta=0),
    ):
        assert torch.autograd.gradcheck(loss, leaves)


def test_a_missing_target_passes_no_gradient_to_the_standard_error():
    target = torch.tensor([[1.0, NAN]])
    spread = torch.tensor([[2.0, 1e-3]], requires_grad=True)
    loss = gaussian_loss(torch.zeros(1, 2), spread, target, 1.0)
    loss.backward()
    assert loss.isfinite() and spread.grad[0, 0] != 0 and spread.grad[0, 1] == 0
    assert gaussian_loss(torch.zeros(1, 2), spread, torch.full((1, 2), NAN), 1.0) == 0


def test_the_gaussian_station_loss_is_the_gaussian_loss_at_the_sites():
    field = torch.full((1, 1, 3, 4), 400.0, dtype=torch.float64)
    field[0, 0, 1, 2] = 410.0
    spread = torch.full_like(field, 3.0)
    seen = observations([406.0, NAN, 400.0], [0.0, 30.0, -60.0], [45.0, 45.0, 135.0])
    expected = gaussian_loss(
        torch.tensor([410.0, 400.0]), torch.tensor([3.0, 3.0]), torch.tensor([406.0, 400.0]), 2.0
    )
    loss = gaussian_station_loss(field, spread, seen, axes(), 2.0)
    assert loss.item() == pytest.approx(expected.item())


def test_the_spread_that_minimises_the_loss_is_the_size_of_the_error():
    target = torch.randn(4000, generator=torch.Generator().manual_seed(0)).double() * 3
    spreads = torch.linspace(1, 6, 101, dtype=torch.float64)
    losses = [gaussian_loss(0 * target, s.expand(4000), target, 5.0, beta=0) for s in spreads]
    best = spreads[torch.stack(losses).argmin()]
    assert best.item() == pytest.approx(target.square().mean().sqrt().item(), abs=0.05)
