"""Figures of the report: points where they belong, units and names that can be read."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.evaluation.map_figures import error_maps_figure, site_maps_figure
from co2net_phys.evaluation.series_figures import Panel, panels_figure, spectrum_figure
from co2net_phys.evaluation.taylor import Comparison, place, taylor_figure

LATITUDE, LONGITUDE = np.arange(-85.0, 90, 10), np.arange(-172.5, 180, 15)


def texts(figure):
    figure.draw_without_rendering()  # tick labels are made when drawn
    return " ".join(item.get_text() for item in figure.findobj(matplotlib.text.Text))


@given(ratio=st.floats(0, 3), correlation=st.floats(-1, 1))
def test_the_distance_from_the_truth_is_the_centred_error(ratio, correlation):
    """Taylor 2001, equation 1, with the standard deviation of the truth as unit."""
    x, y = place(Comparison("", ratio, correlation))
    expected = ratio**2 + 1 - 2 * ratio * correlation
    assert (x - 1) ** 2 + y**2 == pytest.approx(expected, abs=1e-9)


def points(figure):
    return [item.get_offsets().data.tolist() for item in figure.axes[0].collections]


def test_a_taylor_diagram_names_few_points_and_groups_many():
    few = [Comparison("land", 0.9, 0.8), Comparison("ocean", 1.1, 0.95), Comparison("x", np.nan, 1)]
    figure = taylor_figure({"regions": few}, "Regions")
    shown = texts(figure)
    assert all(name in shown for name in ("Regions", "land", "ocean", "truth", "Correlation"))
    np.testing.assert_allclose(points(figure), [[place(few[0])], [place(few[1])]])
    many = {"held out": [Comparison("s", 0.5, 0.1)] * 9, "training": [Comparison("s", 5, -0.2)] * 9}
    figure = taylor_figure(many, "Stations")
    assert "training, beyond 2" in texts(figure)
    assert np.hypot(*points(figure)[1][0]) == pytest.approx(2), "drawn on the outermost circle"
    assert "−0.8" in texts(figure), "a second quadrant"
    with pytest.raises(UsageError, match="nothing to draw"):
        taylor_figure({"regions": [few[2]]}, "Regions")


def test_maps_of_errors_have_their_unit_twice():
    bias = np.sin(np.radians(LATITUDE))[:, None] + 0 * LONGITUDE
    figure = error_maps_figure(bias, np.abs(bias), LATITUDE, LONGITUDE, "ppm")
    shown = texts(figure)
    assert shown.count("ppm") == 2
    assert "RMSE" in shown and "prediction − truth" in shown
    low, high = figure.axes[0].collections[0].get_clim()
    assert low == -high < 0, "no error is white"


def test_sites_lie_where_they_are():
    site = {"latitude": 10.0, "longitude": 20.0, "bias": -1.0, "rmse": 2.0}
    groups = {"held out": {"A": site}, "training": {"B": site | {"latitude": -30.0, "bias": 3.0}}}
    figure = site_maps_figure(groups, "ppm")
    assert [p for p in points(figure) if p][-2:] == [[[20, 10]], [[20, -30]]]
    assert "held out" in texts(figure) and texts(figure).count("ppm") == 2


TIMES = np.datetime64("2010-03-01") + np.r_[0:10, 60:70] * np.timedelta64(1, "D")


def test_series_of_places_break_where_nothing_was_compared():
    series = np.arange(20.0)
    panel = Panel("MLO", "RMSE 1.00", TIMES[::-1], series[::-1], series[::-1] + 1)
    figure = panels_figure([panel] * 4, "Stations", "CO₂ (ppm)", "observed", marks=True)
    truth, prediction = figure.axes[0].lines
    assert truth.get_linestyle() == "None"
    assert np.isnan(prediction.get_ydata()).sum() == 1
    np.testing.assert_array_equal(prediction.get_ydata()[:10], series[:10] + 1)
    shown = texts(figure)
    for text in ("MLO", "RMSE 1.00", "CO₂ (ppm)", "2010-03-01 to 2010-05-09", "observed"):
        assert text in shown
    with pytest.raises(UsageError, match="no series"):
        panels_figure([], "Stations", "")


def test_a_spectrum_shows_powers_and_their_ratio():
    wavenumber = np.arange(1, 13)
    spectrum = {"wavenumber": wavenumber, "prediction": 0.5 / wavenumber, "truth": 1 / wavenumber}
    figure = spectrum_figure(spectrum, "ppm")
    left, right = figure.axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), 1 / wavenumber)
    np.testing.assert_allclose(right.lines[0].get_ydata(), 0.5)
    assert "Power ((ppm)²)" in texts(figure)
