"""GOSAT on the scale of OCO: pairs, the fit against a closed form, errors, refusals."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.gridding import Cells
from co2net_phys.satellite.harmonising import (
    IDENTITY,
    Coincidences,
    find_coincidences,
    fit_linear_map,
)
from co2net_phys.satellite.region import Region

REGION = Region(100.0, 0.0, 110.0, 10.0, 0.1)


def cells(row, column, xco2, error=0.5, day="2020-01-01", source=1):
    count = len(row)
    return Cells(
        np.full(count, np.datetime64(day)),
        np.asarray(row),
        np.asarray(column),
        np.asarray(xco2, dtype=float),
        np.full(count, error),
        np.ones(count, dtype=np.int64),
        np.full(count, source, dtype=np.int8),
    )


def pairs(count, slope=1.1, intercept=-40.0, noise=0.3, x_noise=0.0, spread=3.0, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(405, spread, count)
    return Coincidences(
        truth + x_noise * generator.standard_normal(count),
        np.full(count, x_noise),
        intercept + slope * truth + noise * generator.standard_normal(count),
        np.full(count, noise),
    )


def test_pairs_are_of_one_day_and_within_the_distance():
    # Cells of 0.1° (11.1 km) on the equator: the neighbour is within 25 km, the third is not.
    oco = cells([0, 0, 0], [1, 2, 4], [410, 414, 500])
    gosat = cells([0, 50], [0, 50], [405, 406], error=1.0, source=4)
    found = find_coincidences(gosat, oco, REGION, 25.0)
    np.testing.assert_allclose([found.gosat[0], found.oco[0]], [405, 412])
    np.testing.assert_allclose([found.gosat_error[0], found.oco_error[0]], [1, 0.5 / np.sqrt(2)])
    assert len(found) == 1
    later = cells([0], [1], [410], day="2020-01-02")
    assert len(find_coincidences(gosat, later, REGION, 25.0)) == 0
    same = cells([0, 50], [0, 50], [1, 2])
    assert len(find_coincidences(gosat, same, REGION, 0.0)) == 2
    with pytest.raises(UsageError, match="negative"):
        find_coincidences(gosat, oco, REGION, -1.0)


def test_an_exact_line_is_found_exactly():
    for regression in ("ordinary", "deming"):
        model = fit_linear_map(pairs(50, noise=0.0), regression)
        assert model.slope == pytest.approx(1.1, rel=1e-10)
        assert model.intercept == pytest.approx(-40.0, rel=1e-8)


def test_the_fit_and_its_errors_are_those_of_scipy():
    some = pairs(200)
    model = fit_linear_map(some)
    theirs = stats.linregress(some.gosat, some.oco)
    assert model.slope == pytest.approx(theirs.slope, rel=1e-12)
    assert model.intercept == pytest.approx(theirs.intercept, rel=1e-10)
    assert model.slope_error == pytest.approx(theirs.stderr, rel=1e-10)
    assert model.intercept_error == pytest.approx(theirs.intercept_stderr, rel=1e-10)
    assert model.count == 200


@pytest.mark.parametrize("regression", ["ordinary", "deming"])
def test_standard_errors_are_the_scatter_of_repeated_fits(regression):
    noise = {"ordinary": 0.0, "deming": 0.8}[regression]
    models = [fit_linear_map(pairs(60, x_noise=noise, seed=n), regression) for n in range(300)]
    slopes = np.array([model.slope for model in models])
    # 300 fits know a standard deviation to 4 %; the jackknife adds its own scatter.
    assert np.mean([model.slope_error for model in models]) == pytest.approx(slopes.std(), rel=0.15)
    assert slopes.mean() == pytest.approx(1.1, abs=4 * slopes.std() / np.sqrt(300))


def test_the_jackknife_leaves_out_one_pair_after_the_other():
    some = pairs(40, x_noise=0.8)
    model = fit_linear_map(some, "deming")
    ratio = (some.oco_error**2).mean() / (some.gosat_error**2).mean()
    slopes = []
    for left_out in range(40):
        (sxx, sxy), (_, syy) = np.cov(
            np.delete(some.gosat, left_out), np.delete(some.oco, left_out)
        )
        half = (syy - ratio * sxx) / 2
        slopes.append((half + np.sqrt(half**2 + ratio * sxy**2)) / sxy)
    assert model.slope_error == pytest.approx(np.sqrt(39 * np.var(slopes)), rel=1e-9)


def test_many_pairs_take_little_memory():
    tracemalloc.start()
    fit_linear_map(pairs(20_000, x_noise=0.8), "deming")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # of 400 MB for each pair with each


def test_noise_in_gosat_shrinks_the_ordinary_slope_as_the_reliability_says(caplog):
    noisy = pairs(20000, x_noise=2.0, spread=3.0)
    model = fit_linear_map(noisy)
    assert model.reliability == pytest.approx(9 / 13, abs=0.01)
    assert model.slope == pytest.approx(1.1 * 9 / 13, abs=0.02)
    assert "consider --regression deming" in caplog.text
    unbiased = fit_linear_map(
        Coincidences(
            noisy.gosat[:2000], noisy.gosat_error[:2000], noisy.oco[:2000], noisy.oco_error[:2000]
        ),
        "deming",
    )
    assert unbiased.slope == pytest.approx(1.1, abs=4 * unbiased.slope_error)
    assert unbiased.slope - 4 * unbiased.slope_error > model.slope


def test_mapped_cells_carry_the_errors_of_the_fit():
    model = fit_linear_map(pairs(100))
    mapped = model(cells([0, 0], [0, 1], [model.centre, model.centre + 10], error=1.0, source=4))
    np.testing.assert_allclose(
        mapped.xco2, -40 + 1.1 * np.array([model.centre, model.centre + 10]), atol=0.5
    )
    at_centre = np.hypot(model.slope, model.level_error)
    assert mapped.standard_error[0] == pytest.approx(at_centre, rel=1e-12)
    assert mapped.standard_error[1] == pytest.approx(np.hypot(at_centre, 10 * model.slope_error))
    untouched = IDENTITY(cells([0], [0], [400.0], error=0.7))
    assert (untouched.xco2[0], untouched.standard_error[0]) == (400.0, 0.7)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(DataError, match=r"29 coincidences .* --unmapped-gosat"):
        fit_linear_map(pairs(29))
    with pytest.raises(DataError, match="have one value"):
        fit_linear_map(pairs(40, spread=0.0))
    with pytest.raises(UsageError, match="regression 'robust'"):
        fit_linear_map(pairs(40), "robust")
    assert len(Coincidences.joined()) == 0
