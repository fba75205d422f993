"""Every term against a hand computation; gradients against differences."""

import math

import numpy as np
import pytest
import torch

from co2net_phys.fluxes.regional_loss import (
    SPEED,
    UncertaintyWeighting,
    ensemble_distance,
    regional_loss,
    station_loss,
    tower_loss,
)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_equation_4_is_the_mean_square():
    assert float(tower_loss(tensor(1.0, 2.0, -1.0), tensor(0.0, 4.0, -1.0))) == pytest.approx(5 / 3)


def test_equation_6_by_hand():
    # Differences 1 and −2 of one estimate: ∛((1 + 8)/2).
    distance = ensemble_distance(tensor(1.0), tensor([2.0], [-1.0]))
    assert float(distance[0]) == pytest.approx(4.5 ** (1 / 3), rel=1e-14)


def test_inversions_on_both_sides_do_not_cancel():
    distance = ensemble_distance(tensor(0.0), tensor([1.5], [-1.5]))
    assert float(distance[0]) == pytest.approx(1.5)


def test_equations_7_and_8_by_hand():
    estimate = tensor([0.0, 1.0], [0.0, 1.0])  # (M, R)
    inversions = torch.stack([tensor([1.0, 1.0], [2.0, 0.0]), tensor([1.0, 3.0], [-2.0, 0.0])])
    area = tensor(3.0, 1.0)
    month = {
        (0, 0): 1.0 / (1 + 0),  # both one away
        (0, 1): (8 / 2) ** (1 / 3) / (1 + 2),
        (1, 0): 2.0 / (1 + 4),
        (1, 1): 1.0 / (1 + 0),
    }
    by_region = [(month[0, r] + month[1, r]) / 2 for r in (0, 1)]
    expected = (3 * by_region[0] + by_region[1]) / 4
    assert float(regional_loss(estimate, inversions, area)) == pytest.approx(expected, rel=1e-14)


def test_the_unit_of_the_range_decides_how_much_disagreement_matters():
    estimate, inversions = torch.zeros(1, 1).double(), tensor([[0.1]], [[-0.1]])
    area = tensor(1.0)
    assert float(regional_loss(estimate, inversions, area, 1.0)) == pytest.approx(0.1 / 1.2)
    assert float(regional_loss(estimate, inversions, area, 0.2)) == pytest.approx(0.1 / 0.4)


def test_equations_9_to_11_by_hand():
    weighting = UncertaintyWeighting(["towers", "regions"]).double()
    terms = {"towers": tensor(3.0)[0], "regions": tensor(0.4)[0]}
    assert float(weighting.total(terms).detach()) == pytest.approx(0.5 * 3.4)
    variance = {"towers": 4.0, "regions": 0.25}
    with torch.no_grad():
        for name, value in variance.items():
            weighting.uncertainty[name].fill_(math.log(value) / SPEED)
    expected = 3 / (2 * 4) + 0.4 / (2 * 0.25) + math.log(2) + math.log(0.5)
    assert float(weighting.total(terms).detach()) == pytest.approx(expected, rel=1e-6)


def test_the_best_variance_is_the_loss():
    weighting = UncertaintyWeighting(["towers", "regions"])
    terms = {"towers": torch.tensor(3.0), "regions": torch.tensor(0.4)}
    optimiser = torch.optim.LBFGS(
        weighting.parameters(), max_iter=50, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        total = weighting.total(terms)
        total.backward()
        return total

    optimiser.step(closure)
    learned = {
        name: math.exp(SPEED * float(value.detach()))
        for name, value in weighting.uncertainty.items()
    }
    assert learned == pytest.approx({"towers": 3.0, "regions": 0.4}, rel=1e-3)


def test_one_term_alone_is_not_weighed():
    weighting = UncertaintyWeighting(["towers"])
    assert float(weighting.total({"towers": torch.tensor(3.0)})) == 3.0
    assert not list(weighting.parameters())


def test_station_misfits_count_where_there_are_reports():
    loss = station_loss(
        tensor(400.0, 410.0, 1.0), tensor(401.0, 404.0, math.nan), tensor(0.5, 3.0, 1.0)
    )
    assert float(loss) == pytest.approx((4 + 4) / 2)
    nothing = torch.full((2,), math.nan).double()
    assert float(station_loss(torch.zeros(2).double(), nothing, torch.ones(2).double())) == 0.0


class Total(UncertaintyWeighting):
    """Called like a function, so that its weights can be given."""

    def __init__(self):
        super().__init__(["towers", "regions"])

    def forward(self, terms):
        return self.total(terms)


def test_gradients_of_all_terms():
    random = np.random.default_rng(0)
    estimate = torch.from_numpy(random.standard_normal((3, 2))).requires_grad_()
    inversions = torch.from_numpy(random.standard_normal((4, 3, 2)))
    area = tensor(2.0, 5.0)
    observed = torch.from_numpy(random.standard_normal((3, 2)))

    def total(values, one, other):
        terms = {
            "towers": tower_loss(values, observed),
            "regions": regional_loss(values, inversions, area),
        }
        learned = {"uncertainty.towers": one, "uncertainty.regions": other}
        weighted = torch.func.functional_call(Total(), learned, (terms,))
        return weighted + station_loss(values, observed, torch.full_like(values, 0.3))

    scales = (tensor(0.03)[0].requires_grad_(), tensor(-0.07)[0].requires_grad_())
    assert torch.autograd.gradcheck(total, (estimate, *scales))


def test_the_gradient_is_finite_where_an_estimate_meets_all_inversions():
    estimate = torch.zeros(2, 1, dtype=torch.float64, requires_grad=True)
    regional_loss(estimate, torch.zeros(3, 2, 1).double(), tensor(1.0)).backward()
    assert torch.equal(estimate.grad, torch.zeros(2, 1).double())
