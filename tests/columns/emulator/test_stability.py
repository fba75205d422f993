"""Scores of long roll-outs against those worked out by hand, and their figures."""

import json

import numpy as np
import pytest
import torch

from co2net_phys.columns.figures import column_maps_figure, stability_figure
from co2net_phys.columns.network import Persistence
from co2net_phys.columns.scores import drift, stability_scores
from co2net_phys.columns.stability import compare_rollouts
from co2net_phys.columns.store import ColumnStore
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text

EARTH = 4 * np.pi * 6.371e6**2


@pytest.fixture(scope="module")
def steady(world):
    """A world whose tracer and surface pressure do not change at all."""
    data = world(frames=60)
    spots = 1 + np.random.default_rng(0).random(data["mmrbc"].shape[1:])
    data["mmrbc"][:] = spots * data["mmrbc"][0].values
    data["ps"][:] = 98066.5
    return ColumnStore(data, "steady")


class Times(torch.nn.Module):
    """The tracer times a factor each frame."""

    frames = 1

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, surface, profiles):
        return self.factor * profiles[:, -1:, 0]


@pytest.fixture(scope="module")
def stability(steady):
    models = {"perfect": Persistence(), "growing": Times(1.01), "exploding": Times(20.0)}
    return compare_rollouts(models, steady, 4, 41)


def test_the_burden_is_mass_fraction_times_air_times_area(stability, steady):
    tracer, rows = steady.tracer([0])[0].astype(np.float64), np.radians(np.linspace(-90, 90, 9))
    area = EARTH * np.diff(np.sin(rows))[:, None] / 2 / 16
    burden = (tracer * 1e4 / 3 * area).sum()  # 10 t of air above each m², in three equal layers
    np.testing.assert_allclose(stability.truth.burden, burden, rtol=1e-6)
    np.testing.assert_allclose(stability.methods["perfect"].burden, burden, rtol=1e-6)
    growth = 1.01 ** np.arange(1, 42)
    np.testing.assert_allclose(stability.methods["growing"].burden, burden * growth, rtol=1e-5)
    np.testing.assert_allclose(stability.layer_mass, 1e4 / 3, rtol=1e-6)
    np.testing.assert_allclose(stability.pressure, 98066.5 * np.array([5, 3, 1]) / 6, rtol=1e-6)


def test_a_perfect_rollout_has_no_error(stability):
    scores = stability_scores(stability)["methods"]["perfect"]
    assert scores.pop("rmse_after") == {"1": 0.0, "3": 0.0, "10": 0.0}
    assert scores.pop("blown_up_after_days") is None
    assert scores.pop("column_correlation") == pytest.approx(1)
    assert scores.pop("small_scale_power") == pytest.approx(1)
    assert scores == {name: pytest.approx(0, abs=1e-9) for name in scores}


def test_scores_of_steady_growth_are_those_worked_out(stability, steady):
    scores = stability_scores(stability)["methods"]["growing"]
    excess = 1.01 ** np.arange(1, 42) - 1
    assert scores["burden_bias_percent"] == pytest.approx(100 * excess.mean(), rel=1e-4)
    assert scores["burden_rms_percent"] == pytest.approx(
        100 * np.sqrt((excess**2).mean()), rel=1e-4
    )
    days = np.arange(1, 42) / 4
    slope = ((days - days.mean()) * excess).sum() / ((days - days.mean()) ** 2).sum()
    assert scores["drift_percent_per_year"] == pytest.approx(100 * slope * 365.2425, rel=1e-4)
    # The field stays proportional to the truth: all relative errors of means are the same.
    assert scores["profile_error_percent"] == pytest.approx(100 * excess.mean(), rel=1e-4)
    assert scores["column_error_percent"] == pytest.approx(100 * excess.mean(), rel=1e-4)
    assert scores["column_correlation"] == pytest.approx(1)
    assert scores["small_scale_power"] == pytest.approx(((1 + excess) ** 2).mean(), rel=1e-4)
    tracer, weights = steady.tracer([0])[0].astype(np.float64), np.cos(np.radians(steady.latitude))
    size = np.sqrt(np.average(tracer**2, weights=np.broadcast_to(weights[:, None], tracer.shape)))
    assert scores["rmse_after"]["10"] == pytest.approx(size * excess[39], rel=1e-4)
    assert scores["rmse"] == pytest.approx(size * np.sqrt((excess**2).mean()), rel=1e-4)


def test_a_blow_up_is_reported_and_the_others_go_on(stability):
    course = stability.methods["exploding"]
    assert course.blown_up == 3
    assert np.isfinite(course.burden[:2]).all() and np.isnan(course.burden[2:]).all()
    assert np.isnan(course.profile).all() and np.isnan(course.column).all()
    scores = json.loads(json_text(stability_scores(stability)))["methods"]["exploding"]
    assert scores["blown_up_after_days"] == 0.75
    assert scores["rmse"] is None and scores["drift_percent_per_year"] is None
    assert scores["rmse_after"]["1"] is None
    assert np.isfinite(stability.methods["growing"].burden).all()


def test_a_straight_drift_is_found_per_year():
    days = np.arange(1.0, 800)
    assert drift(days, 3 + 2 * days / 365.2425) == pytest.approx(2)
    assert np.isnan(drift(days[:1], days[:1]))


def test_progress_is_told(steady):
    told = []
    compare_rollouts({"perfect": Persistence()}, steady, 4, 3, on_step=told.append)
    assert told == [1, 2, 3]


def test_figures_show_every_method_with_units(stability, store):
    figure = stability_figure(stability)
    burden, growth, profile, spectrum = figure.axes
    lines = {line.get_label(): line for line in burden.get_lines()}
    assert list(lines) == ["Truth", "perfect", "growing", "exploding"]
    np.testing.assert_allclose(lines["Truth"].get_ydata(), stability.truth.burden / 1e6)
    assert len({(line.get_color(), line.get_linestyle()) for line in lines.values()}) == 4
    labels = [burden.get_ylabel(), growth.get_ylabel(), profile.get_xlabel(), spectrum.get_ylabel()]
    assert labels == ["Burden (Gg)", "RMSE (kg kg⁻¹)", "Mass fraction (kg kg⁻¹)", "Power (mg² m⁻⁴)"]
    assert profile.yaxis_inverted() and growth.get_xlabel() == "Lead time (days)"
    maps = column_maps_figure(stability)
    titles = [panel.get_title(loc="left") for panel in maps.axes]
    for wanted in ("Truth", "perfect", "growing", "growing − truth"):
        assert wanted in titles
    assert not any("exploding" in title for title in titles)
    assert picture_bytes(figure, dpi=40)[:4] == picture_bytes(maps, dpi=40)[:4] == b"\x89PNG"
