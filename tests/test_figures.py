"""Figures show the right cell in the right place, with units, and need no display."""

import base64
import io
import threading

import cftime
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import imread

from co2net_phys.data.regions import region_mask
from co2net_phys.data.stations import load_stations, split_stations
from co2net_phys.errors import UsageError
from co2net_phys.figures import (
    CO2_UNITS,
    calibration_figure,
    figure_to_data_uri,
    loss_curve_figure,
    map_figure,
    picture_bytes,
    station_series_figure,
    three_maps_figure,
)

LATITUDE, LONGITUDE = np.arange(-88.0, 89, 4), np.arange(-177.0, 180, 6)
TIMES = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
FIELD = 400 + 10 * np.sin(np.radians(LATITUDE))[:, None] + np.zeros(LONGITUDE.size)


def pixels(figure: Figure, dpi: int = 60) -> np.ndarray:
    """Image (height, width, 3) in 0…1."""
    return imread(io.BytesIO(picture_bytes(figure, dpi=dpi)), format="png")[..., :3]


def colours_at(figure: Figure, *places: tuple[float, float]) -> np.ndarray:
    """Colours (place, 3) on the first map at places given by latitude and longitude."""
    image = pixels(figure, dpi=int(figure.dpi))
    points = figure.axes[0].transData.transform([(lon, lat) for lat, lon in places])
    columns, heights = points.astype(int).T
    return image[image.shape[0] - 1 - heights, columns]


def texts(figure: Figure) -> str:
    figure.draw_without_rendering()  # tick labels are made when drawn
    return " ".join(item.get_text() for item in figure.findobj(matplotlib.text.Text))


@pytest.mark.parametrize(("start", "flip"), [(-180, False), (0, True)])
def test_land_is_drawn_where_land_is(start: int, flip: bool) -> None:
    latitude = LATITUDE[::-1] if flip else LATITUDE
    longitude = start + np.arange(3.0, 360, 6)
    land = region_mask("land", latitude, longitude).astype(float)
    figure = map_figure(land, latitude, longitude, "Land", limits=(0, 1))
    sea_colour, land_colour = matplotlib.colormaps["viridis"]([0.0, 1.0])[:, :3]
    on_land = colours_at(figure, (20, 0), (-25, 134), (60, 100), (-8, -58), (-80, 80))
    at_sea = colours_at(figure, (2, -150), (-32, -15), (-30, 80), (86, 0), (30, 176), (30, -176))
    np.testing.assert_allclose(on_land, [land_colour] * 5, atol=0.02)
    np.testing.assert_allclose(at_sea, [sea_colour] * 6, atol=0.02)


def test_cells_across_the_date_line_reach_both_edges() -> None:
    longitude = np.arange(0.0, 360, 6)  # the cell at 180 lies half on either side
    field = np.where(longitude == 180, 1.0, 0.0) + np.zeros((LATITUDE.size, 1))
    figure = map_figure(field, LATITUDE, longitude, "Date line", limits=(0, 1))
    bright = matplotlib.colormaps["viridis"](1.0)[:3]
    edges = colours_at(figure, (30, 178.5), (30, -178.5))
    np.testing.assert_allclose(edges, [bright] * 2, atol=0.02)


def test_coastlines_follow_the_land() -> None:
    figure = map_figure(FIELD, LATITUDE, LONGITUDE, "Coast")
    (contour,) = [item for item in figure.axes[0].collections if "Contour" in type(item).__name__]
    vertices = np.concatenate([path.vertices for path in contour.get_paths()])
    nearest = np.hypot(*(vertices - [-17.4, 14.7]).T).min()  # Dakar, the cape of West Africa
    assert nearest < 1.5
    assert np.hypot(*(vertices - [-140.0, 10.0]).T).min() > 10  # nothing in the Pacific


def test_map_has_titles_units_and_marks() -> None:
    training, held_out = split_stations(load_stations(), seed=0)
    figure = map_figure(
        FIELD,
        LATITUDE,
        LONGITUDE,
        "Surface CO₂",
        stations={"training": training, "held out": held_out},
        time="2020-07-01",
    )
    shown = texts(figure)
    for text in ("Surface CO₂", CO2_UNITS, "2020-07-01", "training", "held out", "60°W", "30°N"):
        assert text in shown
    offsets = [item.get_offsets() for item in figure.axes[0].collections[-2:]]
    assert [len(points) for points in offsets] == [72, 24]
    np.testing.assert_allclose(offsets[0][0], [training[0].longitude, training[0].latitude])
    image = pixels(figure)
    assert np.isfinite(image).all() and image.std() > 0.1


def test_differences_are_symmetric_and_zero_is_white() -> None:
    error = np.linspace(-1, 3, FIELD.size).reshape(FIELD.shape)
    figure = map_figure(error, LATITUDE, LONGITUDE, "Difference", difference=True)
    mesh = figure.axes[0].collections[0]
    low, high = mesh.get_clim()
    assert low == -high and 2.5 < high < 3
    assert min(mesh.cmap(Normalize(low, high)(0.0))[:3]) > 0.95


def test_missing_cells_are_grey_and_constant_or_empty_fields_are_drawn() -> None:
    holed = FIELD.copy()
    holed[LATITUDE > 0] = np.nan
    figure = map_figure(holed, LATITUDE, LONGITUDE, "Half")
    np.testing.assert_allclose(colours_at(figure, (40, -40)), 0.85, atol=0.02)
    for value in (400.0, np.nan):
        low, high = (
            map_figure(np.full_like(FIELD, value), LATITUDE, LONGITUDE, "Flat")
            .axes[0]
            .collections[0]
            .get_clim()
        )
        assert low < high


def test_three_maps_share_the_scale_of_the_truth() -> None:
    prediction = FIELD + 2.0
    figure = three_maps_figure(FIELD, prediction, LATITUDE, LONGITUDE, "July", time="noon")
    truth, guess, error = (axes.collections[0] for axes in figure.axes[:3])
    assert truth.get_clim() == guess.get_clim()
    assert truth.get_clim() == pytest.approx(np.percentile(FIELD, [1, 99]))
    assert error.get_clim() == pytest.approx((-2, 2))
    shown = texts(figure)
    assert "RMSE 2.00" in shown and shown.count(CO2_UNITS) == 2
    for text in ("Truth", "Reconstruction", "Reconstruction − truth", "July", "noon"):
        assert text in shown
    assert np.isfinite(pixels(figure)).all()


@pytest.mark.parametrize("count", [1, 5])
def test_series_show_each_station_in_its_panel(count: int) -> None:
    observed = {f"S{i}": np.full(TIMES.size, 400.0 + i) for i in range(count)}
    observed["S0"][10:20] = np.nan
    predicted = {code: values + 1 for code, values in observed.items()}
    figure = station_series_figure(TIMES, observed, predicted, {"S0": "South Pole"})
    panels = [axes for axes in figure.axes if axes.lines]
    assert len(panels) == count
    for i, panel in enumerate(panels):
        assert panel.get_title(loc="left").startswith(f"S{i}")
        dots, line = (item.get_ydata() for item in panel.lines)
        assert (np.nanmax(dots), np.nanmax(line)) == (400 + i, 401 + i)
    shown = texts(figure)
    for text in ("South Pole", CO2_UNITS, "observed", "reconstructed", "Held-out stations"):
        assert text in shown
    assert np.isfinite(pixels(figure)).all()


def test_series_accept_a_calendar_without_leap_days() -> None:
    dates = [cftime.DatetimeNoLeap(2000, 2, day) for day in (27, 28)]
    values = {"A": np.ones(2)}
    line = station_series_figure(dates, values, values).axes[0].lines[0]
    assert line.get_xdata()[1] == np.datetime64("2000-02-28")
    with pytest.raises(UsageError, match="standard calendar"):
        station_series_figure([cftime.Datetime360Day(2000, 2, 30)] * 2, values, values)


def test_series_that_do_not_fit_are_refused() -> None:
    ten = {f"S{i}": np.zeros(TIMES.size) for i in range(10)}
    with pytest.raises(UsageError, match="choose 1 to 9"):
        station_series_figure(TIMES, ten, ten)
    with pytest.raises(UsageError, match="series 'A' has shape"):
        station_series_figure(TIMES, {"A": np.zeros(TIMES.size)}, {})


def test_losses_are_logarithmic_only_over_a_wide_range() -> None:
    epochs = np.arange(1, 31)
    sparse = np.where(epochs % 5 == 0, 1.0 / epochs, np.nan)
    figure = loss_curve_figure(epochs, {"training": 1.0 / epochs, "validation": sparse})
    axes = figure.axes[0]
    assert axes.get_yscale() == "log"
    assert [len(line.get_xdata()) for line in axes.lines] == [30, 6]  # known epochs are joined
    shown = texts(figure)
    assert all(text in shown for text in ("Epoch", "Loss", "training", "validation"))
    narrow = loss_curve_figure(epochs, {"training": 1.0 + 1.0 / epochs})
    assert narrow.axes[0].get_yscale() == "linear"
    with pytest.raises(UsageError, match="at least one"):
        loss_curve_figure(epochs, {})


def test_calibration_is_drawn_against_the_diagonal() -> None:
    shares = {"50": 0.4, "68": 0.6, "95": 0.9}
    rows = [{"spread": x, "error": 2 * x, "share": 0.5} for x in (1.0, 3.0)]
    figure = calibration_figure({"globe": shares, "stations": shares}, rows)
    left, right = figure.axes
    assert left.lines[0].get_xydata().tolist() == [[50, 40], [68, 60], [95, 90]]
    assert right.lines[0].get_xydata().tolist() == [[1, 2], [3, 6]]
    for axes, end in ((left, 100), (right, 6.48)):
        assert axes.get_xlim() == axes.get_ylim() == pytest.approx((0, end))
        assert axes.lines[-1].get_xydata().ravel() == pytest.approx([0, 0, end, end])
    shown = texts(figure)
    assert all(text in shown for text in ("globe", "stations", CO2_UNITS, "(%)", "overconfident"))
    nothing = calibration_figure({"globe": dict.fromkeys(shares, np.nan)}, [])
    assert nothing.axes[1].get_xlim() == (0, 1)
    with pytest.raises(UsageError, match="at least one"):
        calibration_figure({}, rows)


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="transpose"):
        map_figure(FIELD.T, LATITUDE, LONGITUDE, "Wrong")


def test_images_are_reproducible_and_safe_in_threads() -> None:
    def draw(images: list[bytes]) -> None:
        images.append(picture_bytes(map_figure(FIELD, LATITUDE, LONGITUDE, "A"), dpi=50))

    images: list[bytes] = []
    threads = [threading.Thread(target=draw, args=(images,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 2 and len(set(images)) == 1
    figure = map_figure(FIELD, LATITUDE, LONGITUDE, "A")
    scheme, _, payload = figure_to_data_uri(figure, dpi=50).partition(",")
    assert scheme == "data:image/png;base64"
    assert base64.b64decode(payload) == images[0]
