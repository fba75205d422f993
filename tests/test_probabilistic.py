import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from co2net_phys.errors import UsageError
from co2net_phys.metrics import latitude_weights
from co2net_phys.probabilistic import (
    LEVELS,
    coverage,
    ensemble_crps,
    gaussian_crps,
    probabilistic_scores,
    spread_skill,
    spread_skill_ratio,
)

LATITUDE = np.arange(-87.5, 90, 5)
WEIGHTS = latitude_weights(LATITUDE)
SHAPE = (40, LATITUDE.size, 48)
NAN = float("nan")


def drawn(spread=None, seed=0):
    """Mean, standard error and a truth drawn from exactly that."""
    random = np.random.default_rng(seed)
    mean = 400 + random.normal(size=SHAPE)
    sigma = random.uniform(0.5, 4, SHAPE) if spread is None else np.full(SHAPE, spread)
    return mean, sigma, random.normal(mean, sigma)


@pytest.mark.parametrize(
    ("mean", "sigma", "truth"), [(0, 1, 0), (2, 0.5, 2.7), (400, 3, 391), (1, 2, 1.5)]
)
def test_the_closed_form_is_the_integral_of_the_squared_difference(mean, sigma, truth):
    def integrand(x):
        return (stats.norm.cdf(x, mean, sigma) - (x >= truth)) ** 2

    ends = (mean - 12 * sigma, truth, mean + 12 * sigma)
    expected = sum(integrate.quad(integrand, a, b)[0] for a, b in itertools.pairwise(ends))
    assert gaussian_crps(mean, sigma, truth) == pytest.approx(expected, rel=1e-7)


def test_a_perfect_normal_prediction_has_the_crps_sigma_over_root_pi():
    mean, sigma, truth = drawn(spread=2.5)
    assert gaussian_crps(mean, sigma, truth).mean() == pytest.approx(2.5 / np.sqrt(np.pi), rel=0.01)
    wrong = [gaussian_crps(mean, factor * sigma, truth).mean() for factor in (0.6, 1, 1.6)]
    assert wrong[1] < min(wrong[0], wrong[2]), "a proper score prefers the true spread"


def test_without_spread_the_crps_is_the_absolute_error():
    mean, _, truth = drawn()
    np.testing.assert_array_equal(gaussian_crps(mean, 0 * mean, truth), np.abs(mean - truth))
    np.testing.assert_allclose(gaussian_crps(1.0, 1e-9, 4.0), 3.0, rtol=1e-8)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_crps_of_members_is_the_integral_over_their_step_function(count):
    random = np.random.default_rng(count)
    members, truth = random.normal(size=(count, 5)), random.normal(size=5)
    fine = np.linspace(-6, 6, 240_001)
    for place in range(5):
        steps = (fine[:, None] >= members[:, place]).mean(axis=1)
        expected = integrate.trapezoid((steps - (fine >= truth[place])) ** 2, fine)
        assert ensemble_crps(members, truth)[place] == pytest.approx(expected, abs=1e-4)


def test_many_members_score_as_the_normal_they_are_drawn_from():
    members = np.random.default_rng(1).normal(3, 2, (4000, 1))
    expected = gaussian_crps(3, 2, 4.5)
    assert ensemble_crps(members, [4.5])[0] == pytest.approx(expected, rel=0.05)


def test_intervals_cover_what_they_promise():
    result = coverage(*drawn(), WEIGHTS)
    assert list(result) == [str(level) for level in LEVELS]
    for level in LEVELS:
        assert result[str(level)] == pytest.approx(level / 100, abs=0.01)
    mean, sigma, truth = drawn()
    half = coverage(mean, sigma / 2, truth, WEIGHTS, [68, 95])
    assert half["68"] == pytest.approx(2 * stats.norm.cdf(0.994458 / 2) - 1, abs=0.01)


def test_the_ratio_of_spread_and_error_says_who_is_overconfident():
    mean, sigma, truth = drawn()
    for factor in (0.5, 1, 2):
        ratio = spread_skill_ratio(mean, factor * sigma, truth, WEIGHTS)
        assert ratio == pytest.approx(factor, rel=0.02)


def test_the_table_of_spread_against_error_follows_the_diagonal():
    rows = spread_skill(*drawn(), WEIGHTS)
    assert len(rows) == 10
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    for row, next_row in itertools.pairwise(rows):
        assert row["spread"] < next_row["spread"]
    for row in rows:
        assert row["error"] == pytest.approx(row["spread"], rel=0.04)
        assert row["share"] == pytest.approx(0.1, abs=0.002)


def test_cells_of_one_spread_stay_in_one_class():
    (row,) = spread_skill(*drawn(spread=2.0), WEIGHTS)
    assert row == {"spread": pytest.approx(2), "error": pytest.approx(2, rel=0.02), "share": 1}
    mean, sigma, truth = drawn()
    sigma = np.where(sigma < 2, 1.0, 3.0)
    shares = [row["share"] for row in spread_skill(mean, sigma, truth, WEIGHTS)]
    assert len(shares) == 2 and sum(shares) == pytest.approx(1)


def test_cells_count_by_their_area():
    """Right in the row next to the south pole, wrong in all others."""
    mean, truth = np.zeros(SHAPE), np.full(SHAPE, 3.0)
    truth[:, 0] = 0
    share = WEIGHTS[0] / WEIGHTS.sum()
    sigma = np.ones(SHAPE)
    assert coverage(mean, sigma, truth, WEIGHTS)["95"] == pytest.approx(share)
    error = np.sqrt(9 * (1 - share))
    assert spread_skill_ratio(mean, sigma, truth, WEIGHTS) == pytest.approx(1 / error)
    scores = probabilistic_scores(mean, sigma, truth, WEIGHTS)
    near, far = gaussian_crps(0, 1, [0.0, 3.0])
    assert scores["crps"] == pytest.approx(share * near + (1 - share) * far)
    assert scores["spread"] == 1


def test_all_scores_together_are_those_one_by_one():
    mean, sigma, truth = drawn()
    members = mean + sigma * np.random.default_rng(5).normal(size=(6, *SHAPE))
    result = probabilistic_scores(mean, sigma, truth, WEIGHTS, members)
    assert result["coverage"] == coverage(mean, sigma, truth, WEIGHTS)
    assert result["spread_skill"] == spread_skill(mean, sigma, truth, WEIGHTS)
    assert result["spread_skill_ratio"] == spread_skill_ratio(mean, sigma, truth, WEIGHTS)
    area = np.broadcast_to(WEIGHTS[:, None], SHAPE)
    for name, values in (
        ("crps", gaussian_crps(mean, sigma, truth)),
        ("ensemble_crps", ensemble_crps(members, truth)),
    ):
        assert result[name] == pytest.approx(np.average(values, weights=area))
    assert "ensemble_crps" not in probabilistic_scores(mean, sigma, truth, WEIGHTS)


def test_missing_truth_has_no_weight_and_a_missing_prediction_cannot_win():
    mean, sigma, truth = drawn()
    members = np.stack([mean, truth, mean + 1])
    expected = probabilistic_scores(mean[:, 3:], sigma[:, 3:], truth[:, 3:], WEIGHTS[3:])
    truth[:, :3], mean[:, :3] = NAN, 1e9
    result = probabilistic_scores(mean, sigma, truth, WEIGHTS, members)
    assert result["crps"] == pytest.approx(expected["crps"])
    assert result["coverage"] == pytest.approx(expected["coverage"])
    assert np.isfinite(result["ensemble_crps"])
    for spoilt in (mean, sigma):
        spoilt[0, 5, 5] = NAN
        result = probabilistic_scores(mean, sigma, truth, WEIGHTS)
        assert np.isnan(result["crps"]) and np.isnan(result["coverage"]["50"])
        assert np.isnan(result["spread_skill_ratio"])
        assert sigma is not spoilt or result["spread_skill"] == []
        spoilt[0, 5, 5] = 1.0


def test_without_any_truth_nothing_can_be_said():
    mean, sigma, truth = drawn()
    result = probabilistic_scores(mean, sigma, NAN * truth, WEIGHTS)
    assert np.isnan([result["crps"], result["spread"], *result["coverage"].values()]).all()
    assert result["spread_skill"] == []


def test_what_does_not_fit_is_refused():
    mean, sigma, truth = drawn()
    with pytest.raises(UsageError, match="must share"):
        probabilistic_scores(mean, sigma[:1], truth, WEIGHTS)
    with pytest.raises(UsageError, match="negative"):
        probabilistic_scores(mean, -sigma, truth, WEIGHTS)
    with pytest.raises(UsageError, match=r"expected \(M, ...\)"):
        ensemble_crps(mean, truth)
