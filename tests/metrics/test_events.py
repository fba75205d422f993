"""Boxes have their true area, wherever the grid starts, and curves are followed or not."""

from datetime import date

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys import metrics
from co2net_phys.errors import UsageError

LATITUDE, LONGITUDE = np.arange(-89.0, 90, 2), np.arange(-178.5, 180, 3)
SHAPE = (LATITUDE.size, LONGITUDE.size)
DAYS = date(2020, 6, 3), date(2020, 6, 23)


def box(south: float, north: float, west: float, east: float) -> metrics.Event:
    return metrics.Event("test", south, north, west, east, *DAYS)


def mean_over(field: np.ndarray, event: metrics.Event) -> float:
    return metrics.event_curve(field[None], LATITUDE, LONGITUDE, event)[0]


def test_a_box_along_cell_edges_is_the_mean_of_its_cells() -> None:
    field = np.random.default_rng(0).normal(size=SHAPE)
    rows, columns = slice(50, 60), slice(20, 40)  # 10…30°N, 120…60°W
    weights = metrics.latitude_weights(LATITUDE)[rows]
    expected = np.average(field[rows, columns].mean(axis=1), weights=weights)
    assert mean_over(field, box(10, 30, -120, -60)) == pytest.approx(expected, rel=1e-12)
    assert mean_over(field, box(10, 30, 240, 300)) == pytest.approx(expected, rel=1e-12)
    whole = np.average(field.mean(axis=1), weights=metrics.latitude_weights(LATITUDE))
    assert mean_over(field, box(-90, 90, -180, 180)) == pytest.approx(whole, rel=1e-12)


def test_cells_count_with_the_area_that_lies_in_the_box() -> None:
    field = np.zeros(SHAPE)
    field[45, 60] = 1.0  # 0…2°N, 0…3°E
    assert mean_over(field, box(0, 2, -1, 2)) == pytest.approx(2 / 3)
    assert mean_over(field, box(0.5, 1, 1, 1.5)) == pytest.approx(1)
    high = np.sin(np.radians(2)) / np.sin(np.radians(3))
    assert mean_over(field, box(0, 3, 0, 3)) == pytest.approx(high, rel=1e-12)


def test_boxes_across_the_dateline_and_nearly_round_the_globe() -> None:
    field = np.broadcast_to(np.abs(LONGITUDE), SHAPE)
    assert mean_over(field, box(-10, 10, 174, -174)) == pytest.approx((175.5 + 178.5) / 2)
    assert mean_over(field, box(-10, 10, 174, 186)) == pytest.approx((175.5 + 178.5) / 2)
    without = np.array([x for x in LONGITUDE if x > 6 or x < 3])  # all but the cell 3…6°E
    assert mean_over(field, box(-10, 10, 6, 3)) == pytest.approx(np.abs(without).mean())
    # From the middle of a cell round to its first third: only a sixth of it is left out.
    shares = np.where(LONGITUDE == 4.5, 5 / 6, 1)
    expected = np.average(np.abs(LONGITUDE), weights=shares)
    assert mean_over(field, box(-10, 10, 4.5, 4)) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(
    west=st.integers(-180, 180),
    width=st.integers(1, 360),
    shift=st.integers(0, 119),
    flip=st.booleans(),
)
def test_the_order_and_convention_of_the_axes_do_not_matter(
    west: int, width: int, shift: int, flip: bool
) -> None:
    field = np.random.default_rng(1).normal(size=SHAPE)
    event = box(-33, 12, west, west + width)
    rows = slice(None, None, -1 if flip else 1)
    rolled = np.roll(LONGITUDE % 360, shift)
    turned = np.roll(field, shift, axis=1)[rows]
    other = metrics.event_curve(turned[None], LATITUDE[rows], rolled, event)[0]
    assert other == pytest.approx(mean_over(field, event), rel=1e-9, abs=1e-12)


def test_holes_in_the_box_show_unless_masked() -> None:
    field = np.ones((2, *SHAPE))
    field[0, 0, 0] = np.nan  # outside
    field[1, 55, 30] = np.nan
    found = metrics.event_curve(field, LATITUDE, LONGITUDE, box(10, 30, -120, -60))
    np.testing.assert_array_equal(found, [1, np.nan])
    known = ~np.isnan(field)
    found = metrics.event_curve(field, LATITUDE, LONGITUDE, box(10, 30, -120, -60), known)
    np.testing.assert_array_equal(found, [1, 1])


def test_frames_are_those_of_whole_days_in_any_calendar() -> None:
    event = box(0, 1, 0, 1)
    times = np.arange("2020-06-01", "2020-07-01", 6, dtype="datetime64[h]")
    chosen = times[event.frames(times)]
    assert str(chosen[0]) == "2020-06-03T00" and str(chosen[-1]) == "2020-06-23T18"
    assert len(chosen) == 21 * 4
    noleap = xr.date_range("2020-01-01", periods=366, calendar="noleap", use_cftime=True).values
    found = noleap[event.frames(noleap)]
    assert len(found) == 21 and found[0] == cftime.DatetimeNoLeap(2020, 6, 3)
    assert event.frames(times[:4]).size == 0


def test_the_cases_of_the_paper() -> None:
    periods = {name: (event.first, event.last) for name, event in metrics.EVENTS.items()}
    assert periods == {
        "amazon-fires-2019": (date(2019, 8, 5), date(2019, 8, 10)),
        "california-fires-2020": (date(2020, 10, 11), date(2020, 10, 30)),
        "siberian-uptake-2020": (date(2020, 6, 3), date(2020, 6, 23)),
    }
    places = {"amazon": (-8.8, -63.9), "california": (37.2, -119.3), "siberian": (60, 100)}
    for name, event in metrics.EVENTS.items():
        latitude, longitude = places[name.split("-")[0]]  # Porto Velho, the Creek Fire, the taiga
        assert event.south < latitude < event.north and event.west < longitude < event.east


def test_a_copy_scores_perfectly_and_half_of_it_half() -> None:
    truth = 410 + 8 * np.exp(-((np.arange(60) - 40.0) ** 2) / 50)
    perfect = metrics.event_scores(truth, truth)
    assert perfect == pytest.approx(
        {"rmse": 0, "bias": 0, "correlation": 1, "amplitude": 8, "amplitude_ratio": 1}
        | {"timing_error": 0},
        abs=1e-9,
    )
    half = metrics.event_scores(405 + (truth - 410) / 2, truth)
    assert half["amplitude_ratio"] == pytest.approx(0.5)
    assert half["correlation"] == pytest.approx(1)
    late = metrics.event_scores(np.roll(truth, 3), truth)
    assert late["timing_error"] == 3 and late["amplitude_ratio"] == pytest.approx(1, abs=1e-6)
    assert metrics.event_scores(np.full(60, 412.0), truth)["amplitude_ratio"] == 0


def test_an_uptake_is_a_fall_and_a_rise_no_answer_to_it() -> None:
    truth = np.array([415.0, 416, 412, 408, 405, 407])
    found = metrics.event_scores([413, 414, 413, 412, 410.5, 411], truth)
    assert found["amplitude"] == -11
    assert found["amplitude_ratio"] == pytest.approx(3.5 / 11)
    assert found["timing_error"] == 0
    upwards = metrics.event_scores([405, 406, 407, 408, 409, 410], truth)
    assert upwards["amplitude_ratio"] == 0
    early = metrics.event_scores([415, 405, 405.5, 406, 406, 406], truth)
    assert early["timing_error"] == -3


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), shift=st.floats(-400, 400), factor=st.floats(0.1, 10))
def test_level_sign_and_scale_do_not_matter(seed: int, shift: float, factor: float) -> None:
    y, u = np.random.default_rng(seed).normal(size=(2, 20)).round(3)
    plain = metrics.event_scores(y, u)
    for sign in (1, -1):
        scale = sign * factor
        other = metrics.event_scores(shift + scale * y, shift + scale * u)
        assert other["amplitude"] == pytest.approx(scale * plain["amplitude"], abs=1e-9)
        assert other["amplitude_ratio"] == pytest.approx(plain["amplitude_ratio"], rel=1e-8)
        assert other["rmse"] == pytest.approx(factor * plain["rmse"], rel=1e-8)


def test_missing_truth_is_left_out_and_missing_answers_show() -> None:
    truth = np.array([410.0, np.nan, 411, 415, 412])
    curve = np.array([410.0, 999, 411, 415, 412])
    assert metrics.event_scores(curve, truth)["amplitude_ratio"] == 1
    curve[3] = np.nan
    found = metrics.event_scores(curve, truth)
    assert found.pop("amplitude") == 5
    assert np.isnan(list(found.values())).all()
    assert np.isnan(list(metrics.event_scores(curve, np.full(5, np.nan)).values())).all()
    constant = metrics.event_scores(truth, np.full(5, 400.0))
    assert constant["amplitude"] == 0 and np.isnan(constant["amplitude_ratio"])


def test_unfit_events_are_refused() -> None:
    for corners in [(10, 10, 0, 5), (20, 10, 0, 5), (-91, 0, 0, 5), (0, 5, 7, 7)]:
        with pytest.raises(UsageError, match="'test'"):
            box(*corners)
    with pytest.raises(UsageError, match="ends before it begins"):
        metrics.Event("test", 0, 1, 0, 1, DAYS[1], DAYS[0])
    with pytest.raises(UsageError, match="no cell"):
        metrics.event_curve(np.ones((1, 2, 2)), [10, 12], [0, 3], box(40, 50, 0, 3))
    with pytest.raises(UsageError, match="share their times"):
        metrics.event_scores(np.ones(3), np.ones(4))
