"""Bridges as data, as operators, and fitted to a land whose sums are known."""

import json

import numpy as np
import pytest
import torch

from co2net_phys.errors import DataError, NumericalError
from co2net_phys.fluxes.bridge_check import check_bridges
from co2net_phys.fluxes.bridge_fitting import BridgeSettings, fit_bridges
from co2net_phys.fluxes.bridges import Bridge, BridgeOperator, read_bridges, write_bridges
from co2net_phys.fluxes.prior_nee import PARTS_OF_YEAR, PriorNee
from co2net_phys.fluxes.schema import NEE, REGION_CODES
from co2net_phys.fluxes.sparse_regression import r_squared, relaxed_lasso

LATITUDE, LONGITUDE = np.array([-10.0, 0.0, 10.0]), np.array([0.0, 90.0, 180.0, 270.0])


def bridge(region="USA", latitude=(0.0, 10.0), longitude=(90.0, -90.0), coefficients=(2.0, -1.0)):
    return Bridge(
        region=region,
        latitude=latitude,
        longitude=longitude,
        coefficients=coefficients,
        intercept=0.5,
        alpha=0.01,
        training_r2=0.96,
        test_r2=0.9,
        candidates=40,
    )


def consecutive(days):
    return np.datetime64("2001-01-01") + np.arange(days)


@pytest.fixture(scope="module")
def fitted(coarse_land):
    prior = PriorNee([coarse_land.nee_store], "nee.nc")
    done = []
    bridges = fit_bridges(prior, BridgeSettings(candidates=12, clusters=4), done.append)
    assert done == list(range(1, 19))
    return bridges


def test_the_operator_is_the_sparse_sum_of_equation_5():
    both = [bridge(), bridge("EU", (10.0, -10.0), (270.0, 0.0), (3.0, 4.0))]
    operator = BridgeOperator(both, LATITUDE, LONGITUDE)
    assert operator.pixels.tolist() == [[0, 0], [1, 1], [2, 3]]  # one is shared
    assert operator.regions.tolist() == [REGION_CODES.index("USA"), REGION_CODES.index("EU")]
    nee = torch.tensor([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0], [0.0, 0.0, 1.0]]).double()
    daily = [[2 * 10 - 100 + 0.5, 4 + 300 + 0.5], [40 - 200 + 0.5, 8 + 600 + 0.5], [-0.5, 3.5]]
    assert operator(nee).tolist() == daily
    monthly = operator.monthly(nee, torch.tensor([0, 0, 1]))
    assert monthly.tolist() == [[daily[0][r] + daily[1][r] for r in (0, 1)], daily[2]]


def test_a_pixel_between_cells_is_refused():
    with pytest.raises(DataError, match="bridge USA: latitude, longitude: no cell"):
        BridgeOperator([bridge(latitude=(0.0, 9.0))], LATITUDE, LONGITUDE)


def test_files_hold_the_same_bits(tmp_path):
    path, both = tmp_path / "bridges.json", (bridge(), bridge("EU", coefficients=(1 / 3, 1e-17)))
    write_bridges(path, both)
    assert read_bridges(path) == both
    with pytest.raises(DataError, match="already exists"):
        write_bridges(path, both)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"region": "ATLANTIS"}, "no region is called 'ATLANTIS'"),
        ({"coefficients": [1.0]}, "differ in length"),
        ({"intercept": "much"}, "intercept"),
        ({"pixels": 3}, "pixels"),
    ],
)
def test_a_broken_file_is_explained(tmp_path, change, message):
    path = tmp_path / "bridges.json"
    path.write_text(json.dumps([{**bridge().model_dump(), **change}]))
    with pytest.raises(DataError, match=message) as caught:
        read_bridges(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_none_are_explained(tmp_path):
    path = tmp_path / "bridges.json"
    with pytest.raises(DataError, match="cannot be read"):
        read_bridges(path)
    for text in ("[]", "{", "\x00"):
        path.write_text(text)
        with pytest.raises(DataError, match="fit the bridges again"):
            read_bridges(path)
    write_bridges(path, [bridge(), bridge()], overwrite=True)
    with pytest.raises(DataError, match="one twice"):
        read_bridges(path)


def test_lasso_finds_the_few_inputs_there_are():
    random = np.random.default_rng(0)
    inputs = random.standard_normal((400, 30))
    target = 4e-3 * inputs[:, 3] - 2e-3 * inputs[:, 17] + 7e-3
    fit = relaxed_lasso(inputs, target, consecutive(400), threshold=0.95, blocks=4)
    assert np.flatnonzero(fit.coefficients).tolist() == [3, 17]
    np.testing.assert_allclose(fit.coefficients[[3, 17]], [4e-3, -2e-3], rtol=0.4)
    predicted = inputs @ fit.coefficients + fit.intercept
    assert fit.training_r2 == pytest.approx(r_squared(target, predicted)) and fit.training_r2 > 0.95
    assert fit.test_r2 == pytest.approx(fit.training_r2, abs=0.03)
    closer = relaxed_lasso(inputs, target, consecutive(400), threshold=0.999, blocks=4)
    assert closer.alpha < fit.alpha
    np.testing.assert_allclose(closer.coefficients[[3, 17]], [4e-3, -2e-3], rtol=0.05)


def test_the_test_score_is_lower_where_nothing_is_to_be_learned():
    random = np.random.default_rng(0)
    inputs, target = random.standard_normal((60, 50)), random.standard_normal(60)
    fit = relaxed_lasso(inputs, target, consecutive(60), threshold=0.8, blocks=5)
    assert fit.training_r2 >= 0.8 and fit.test_r2 < 0.2


def test_a_day_is_left_out_of_all_records_together():
    """Noise, and the same noise again: what is known of one is no test of the other."""
    random = np.random.default_rng(0)
    inputs, target = random.standard_normal((60, 50)), random.standard_normal(60)
    once, twice = (
        relaxed_lasso(
            np.tile(inputs, (times, 1)), np.tile(target, times), np.tile(consecutive(60), times),
            threshold=0.8, blocks=5,
        )
        for times in (1, 2)
    )  # fmt: skip
    assert twice.training_r2 == pytest.approx(once.training_r2)
    assert twice.test_r2 == pytest.approx(once.test_r2, abs=1e-3) and twice.test_r2 < 0.2


def test_a_threshold_out_of_reach_is_refused_with_what_was_reached():
    random = np.random.default_rng(0)
    inputs, noise = random.standard_normal((300, 3)), random.standard_normal(300)
    days = consecutive(300)
    with pytest.raises(NumericalError, match=r"R² reaches 0\.[5-8]\d+ where 0.95"):
        relaxed_lasso(inputs, 2 * inputs[:, 0] + 1.5 * noise, days, threshold=0.95, blocks=3)
    with pytest.raises(NumericalError, match="does not vary"):
        relaxed_lasso(inputs, np.ones(300), days, threshold=0.95, blocks=3)


def test_fitted_bridges_reach_the_threshold_with_fewer_pixels(fitted, coarse_land):
    assert tuple(one.region for one in fitted) == REGION_CODES
    assert all(one.training_r2 >= 0.95 and one.test_r2 > 0.8 for one in fitted)
    assert all(1 <= len(one.coefficients) <= one.candidates <= 12 for one in fitted)
    land = {tuple(cell) for cell in coarse_land.land}
    operator = BridgeOperator(fitted, coarse_land.grid.latitude, coarse_land.grid.longitude)
    assert {tuple(pixel) for pixel in operator.pixels} <= land


def test_the_post_hoc_check_finds_what_the_fit_promised(fitted, coarse_land):
    found = check_bridges(fitted, PriorNee([coarse_land.nee_store], "nee.nc"))
    for one in fitted:
        assert found[one.region]["r2"] == pytest.approx(one.training_r2, abs=1e-6)
        assert abs(found[one.region]["bias"]) < 1e-6  # Pg a-1: least squares has none


def test_the_check_tells_what_a_bridge_makes_of_a_uniform_change(fitted, coarse_land):
    usual = check_bridges(fitted, PriorNee([coarse_land.nee_store], "nee.nc"))
    store = coarse_land.nee_store.copy(data={NEE: coarse_land.nee + 0.1})
    raised = check_bridges(fitted, PriorNee([store], "nee.nc"))
    area = np.einsum("ryx,yx->r", coarse_land.fractions, coarse_land.areas) * 1e-15
    for number, code in enumerate(REGION_CODES):
        change = 0.1 * area[number] * 365.2425
        expected = (usual[code]["uniform_response"] - 1) * change
        assert raised[code]["bias"] == pytest.approx(expected, abs=1e-6)


def test_a_bridge_out_of_reach_names_the_region(coarse_land):
    noise = np.random.default_rng(0).standard_normal(coarse_land.nee.shape)
    store = coarse_land.nee_store.copy(data={NEE: noise}).isel(time=slice(0, 200))
    with pytest.raises(DataError, match=r"nee\.nc: nee: bridge of region .* from 2 pixels: R²"):
        fit_bridges(PriorNee([store], "nee.nc"), BridgeSettings(candidates=2, clusters=2))


def test_the_summary_does_not_depend_on_blocks(coarse_land, monkeypatch):
    prior = PriorNee([coarse_land.nee_store], "nee.nc")
    cycle, sums = prior.summary()
    monkeypatch.setattr("co2net_phys.fluxes.prior_nee.BLOCK", 7)
    again = prior.summary()
    np.testing.assert_allclose(again[0], cycle, atol=1e-12)
    np.testing.assert_allclose(again[1], sums, atol=1e-15)
    assert cycle.shape[0] == PARTS_OF_YEAR
    first = coarse_land.nee_store[NEE].sel(time=coarse_land.nee_store.time.dt.dayofyear <= 11)
    np.testing.assert_allclose(cycle[0], first.mean("time").values, atol=1e-12)


def test_several_stores_are_one_long_record(coarse_land):
    halves = [coarse_land.nee_store.isel(time=part) for part in (slice(0, 300), slice(300, None))]
    one = PriorNee([coarse_land.nee_store], "nee.nc").summary()
    two = PriorNee(halves, "nee.nc").summary()
    np.testing.assert_allclose(two[0], one[0], atol=1e-12)
    np.testing.assert_array_equal(two[1], one[1])
    np.testing.assert_array_equal(PriorNee(halves, "nee.nc").days, coarse_land.days)
    coarser = coarse_land.nee_store.isel(latitude=slice(None, None, 2))
    with pytest.raises(DataError, match=r"nee\.nc: lat"):
        PriorNee([coarse_land.nee_store, coarser], "nee.nc")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.isel(time=slice(None, None, 7)), "time: is not one value a day"),
        (
            lambda d: d.mean("time", keep_attrs=True),
            r"nee: dimensions are \('latitude', 'longitude'",
        ),
        (lambda d: d.drop_vars("time"), "no axis 'time'"),
        (lambda d: d.drop_attrs(), "nee has units ''"),
        (lambda d: with_units(d, "umol m-2 s-1"), "nee has units 'umol m-2 s-1'"),
        (lambda d: with_units(d, "kg m-2 s-1"), "nee: units are 'kg m-2 s-1'; convert it to 'g m-"),
    ],
)
def test_nee_that_is_not_daily_or_in_other_units_is_refused(coarse_land, change, problem):
    with pytest.raises(DataError, match=rf"nee\.nc: {problem}"):
        PriorNee([change(coarse_land.nee_store)], "nee.nc")


@pytest.mark.parametrize("units", ["gC m-2 d-1", "g C m-2 day-1", "g/m2/day"])
def test_units_may_be_spelled_otherwise(coarse_land, units):
    PriorNee([with_units(coarse_land.nee_store, units)], "nee.nc")


def with_units(store, units):
    return store.assign({NEE: store[NEE].assign_attrs(units=units)})
