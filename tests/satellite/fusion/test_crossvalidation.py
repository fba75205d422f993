from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from co2net_phys.errors import DataError, UsageError
from co2net_phys.figures import picture_bytes
from co2net_phys.json_text import json_text
from co2net_phys.satellite.crossvalidation import (
    LearnedFusion,
    crossvalidate,
    leak_rows,
    score_rows,
)
from co2net_phys.satellite.figures import agreement_figure, leak_figure
from co2net_phys.satellite.folds import Blocks
from co2net_phys.satellite.network import FusionConfig, ResNetLSTM, statistics_of
from co2net_phys.satellite.points import Samples
from co2net_phys.satellite.simple_rivals import NearestDay, Ridge
from co2net_phys.satellite.trees import RandomForest


def weather(make_samples: Any) -> Samples:
    """XCO2 that depends on the day alone, at random, so that only samples of one day tell it."""
    samples = make_samples(1000, days=60)
    values = 410 + np.random.default_rng(7).normal(0, 2, 60)
    day = (samples.time - np.datetime64("2019-01-01")).astype(int)
    samples.xco2[:] = values[day] + np.random.default_rng(8).normal(0, 0.1, 1000)
    return samples


def test_random_splits_leak_and_blocks_do_not(make_samples: Any) -> None:
    samples = weather(make_samples)
    methods = {
        "forest": RandomForest(trees=20, features_per_split=1.0),
        "nearest day": NearestDay(),
    }
    outcome = crossvalidate(samples, methods, ("sample", "day"))
    rows = {(row["scheme"], row["method"]): row for row in score_rows(outcome, 100)}
    assert rows["sample", "forest"]["rmse"]["value"] < 0.5
    assert rows["sample", "forest"]["r2"]["value"] > 0.9
    # No method can know the weather of a day that it has not seen.
    assert rows["day", "forest"]["rmse"]["value"] > 1.5
    assert rows["day", "forest"]["r2"]["value"] < 0.2
    leaks = {row["method"]: row for row in leak_rows(outcome, 200)}
    assert set(leaks) == set(methods)
    for name, leak in leaks.items():
        assert leak["ratio"] > 3 and leak["difference"]["low"] > 0
        apart = rows["day", name]["rmse"]["value"] - rows["sample", name]["rmse"]["value"]
        assert leak["difference"]["value"] == pytest.approx(apart)
    assert "NaN" not in json_text(leak_rows(outcome, 20))


def test_without_neighbours_nothing_leaks(make_samples: Any) -> None:
    """Where XCO2 is a line of the features, every split says the same."""
    samples = make_samples(400)
    samples.xco2[:] = 410 + samples.features[:, 3] + np.random.default_rng(0).normal(size=400)
    outcome = crossvalidate(samples, {"ridge": Ridge()}, ("sample", "week", "tile", "pass"))
    for leak in leak_rows(outcome, 100):
        assert leak["ratio"] == pytest.approx(1.0, abs=0.05)


def test_each_sample_is_told_by_a_method_that_has_not_seen_its_block(make_samples: Any) -> None:
    samples = make_samples(100, days=10)

    class Remembers:
        """Predicts 1 where it has seen the day, else 0."""

        def fit(self, samples: Samples) -> Remembers:
            self.days = samples.time
            return self

        def predict(self, points: Any) -> Any:
            return np.isin(points.time, self.days).astype(float)

    told: list[float] = []
    outcome = crossvalidate(
        samples,
        {"it": Remembers()},
        ("sample", "day"),
        progress=lambda what, share: told.append(share),
    )
    assert outcome.predictions["day"]["it"].max() == 0
    assert outcome.predictions["sample"]["it"].min() == 1
    assert told == pytest.approx(np.linspace(0, 1, 11))


def untrained(samples: Samples) -> ResNetLSTM:
    torch.manual_seed(0)
    return ResNetLSTM(
        FusionConfig(
            features=samples.names, statistics=statistics_of(samples),
            first_width=2, widths=(2,), hidden=2,
        )
    )  # fmt: skip


def test_the_network_keeps_whole_days_back_from_its_own_training(make_samples: Any) -> None:
    parts = []

    def train(learn: Samples, check: Samples, blocks: Blocks) -> ResNetLSTM:
        parts.append((learn, check))
        return untrained(learn)

    samples = make_samples(300)
    outcome = crossvalidate(samples, {"network": LearnedFusion(train)}, ("day",), folds=3)
    assert np.isfinite(outcome.predictions["day"]["network"]).all()
    for learn, check in parts:
        assert not set(learn.time.tolist()) & set(check.time.tolist())
        assert len(check) == pytest.approx(0.1 * (len(learn) + len(check)), abs=10)
        assert len(learn) + len(check) == pytest.approx(200, abs=15)


@pytest.mark.parametrize("chosen", [None, "week"])
def test_the_network_stops_by_what_the_scheme_leaves_out(make_samples: Any, chosen: Any) -> None:
    told = []

    def train(learn: Samples, check: Samples, blocks: Blocks) -> ResNetLSTM:
        shares_days = bool(set(learn.time.tolist()) & set(check.time.tolist()))
        told.append((blocks, shares_days))
        return untrained(learn)

    methods = {"network": LearnedFusion(train, blocks=chosen), "ridge": Ridge()}
    crossvalidate(make_samples(300), methods, ("sample", "day"), share=0.2)
    assert told == ([("sample", True), ("day", False)] if chosen is None else [("week", False)] * 2)


def test_what_cannot_be_done_is_refused_before_any_fit(make_samples: Any) -> None:
    class Never:
        def fit(self, samples: Samples) -> Any:
            raise AssertionError

    samples = make_samples(50, days=20)
    with pytest.raises(DataError, match="1 blocks of samples are fewer than 5"):
        crossvalidate(samples, {"never": Never()}, ("sample", "month"))
    with pytest.raises(UsageError, match="--schemes 'orbit': choose of sample, day"):
        crossvalidate(samples, {"never": Never()}, ("orbit",))  # type: ignore[arg-type]
    outcome = crossvalidate(samples, {"ridge": Ridge()}, ("day",))
    with pytest.raises(UsageError, match="no random split"):
        leak_rows(outcome)
    samples.xco2[0] = np.nan
    with pytest.raises(DataError, match="made up: xco2"):
        crossvalidate(samples, {"never": Never()}, ("sample",))


def test_a_hold_out_tests_a_share_once(make_samples: Any) -> None:
    samples = make_samples(400)
    outcome = crossvalidate(samples, {"ridge": Ridge()}, ("sample", "day"), share=0.25)
    for scheme in ("sample", "day"):
        tested = outcome.tested[scheme]
        assert len(tested) == pytest.approx(100, abs=10)
        assert set(tested) == set(np.flatnonzero(np.isfinite(outcome.predictions[scheme]["ridge"])))
        others = np.setdiff1d(np.arange(400), tested)
        is_apart = not set(samples.time[tested].tolist()) & set(samples.time[others].tolist())
        assert is_apart == (scheme == "day")
    assert {row["n"] for row in score_rows(outcome, 20)} == {
        len(t) for t in outcome.tested.values()
    }
    with pytest.raises(UsageError, match="other samples in each scheme"):
        leak_rows(outcome)


def test_pictures_show_every_method_and_scheme(make_samples: Any) -> None:
    samples = make_samples(200)
    outcome = crossvalidate(
        samples, {"ridge": Ridge(), "day": NearestDay()}, ("sample", "month"), 3
    )
    figure = leak_figure(score_rows(outcome, 20))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "random samples", "whole months",
    ]  # fmt: skip
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ridge", "day"]
    assert "µmol mol⁻¹" in axes.get_xlabel()
    assert picture_bytes(figure, dpi=40).startswith(b"\x89PNG")
    agreement = agreement_figure(samples.xco2, outcome.predictions["sample"]["ridge"], "Ridge")
    counts = agreement.axes[0].collections[0].get_array()
    assert counts.sum() == 200
    with pytest.raises(UsageError, match="no score to draw"):
        leak_figure([])
