import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.nn.rasterise import innovations, rasterise, sample

HEIGHT, WIDTH = 6, 8


def grid(frames: int = 2, batch: int = 1) -> Coordinates:
    time = torch.zeros(batch, frames)
    return Coordinates(
        torch.linspace(-75, 75, HEIGHT), torch.linspace(-157.5, 157.5, WIDTH), time, time, time
    )


def stations(value: list[list[float]], latitude: list[float], longitude: list[float]):
    return Observations(
        torch.tensor([value]), torch.tensor(latitude), torch.tensor(longitude)
    )  # one window


def test_a_station_lands_in_its_cell_and_nowhere_else():
    value, mask = rasterise(stations([[7.0], [8.0]], [-44.0], [-110.0]), grid())
    assert value[0, :, 1, 1].tolist() == [7, 8]
    assert value.sum() == 15 and mask.sum() == 2


def test_stations_in_one_cell_are_averaged_over_those_that_report():
    nan = float("nan")
    seen = stations([[1.0, 3.0, nan], [nan, nan, nan]], [0.1, 10.0, 20.0], [0.1, 10.0, 20.0])
    value, mask = rasterise(seen, grid())
    assert value[0, 0, 3, 4] == 2 and mask[0, 0].sum() == 1
    assert value[0, 1].abs().sum() == 0 and mask[0, 1].sum() == 0


def test_longitudes_wrap_at_the_date_line():
    value, _ = rasterise(stations([[5.0], [5.0]], [15.0], [179.0]), grid())
    west, _ = rasterise(stations([[5.0], [5.0]], [15.0], [-179.0]), grid())
    assert value[0, 0, 3, 7] == 5 and west[0, 0, 3, 0] == 5


cells = st.lists(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.floats(300, 500, width=32)),
    min_size=1,
    max_size=20,
    unique_by=lambda cell: cell[:2],
)


@settings(deadline=None, max_examples=40)
@given(cells)
def test_one_station_per_cell_preserves_the_sum(placed):
    axes = grid(frames=1)
    seen = stations(
        [[v for _, _, v in placed]],
        [float(axes.latitude[row]) + 14 for row, _, _ in placed],
        [float(axes.longitude[column]) - 22 for _, column, _ in placed],
    )
    value, mask = rasterise(seen, axes)
    assert mask.sum() == len(placed)
    torch.testing.assert_close(value.sum(), seen.value.sum())


sites = st.lists(
    st.tuples(
        st.floats(-90, 90, width=32), st.floats(-179, 179, width=32), st.floats(0, 9, width=32)
    ),
    min_size=2,
    max_size=12,
)


@settings(deadline=None, max_examples=40)
@given(sites, st.randoms())
def test_neither_the_order_of_stations_nor_the_longitude_convention_matters(placed, random):
    def field(chosen, turn=0.0):
        latitude, longitude, value = (list(axis) for axis in zip(*chosen, strict=True))
        return rasterise(
            stations([value], latitude, [(x + 360) % 360 if turn else x for x in longitude]),
            grid(frames=1),
        )[0]

    shuffled = random.sample(placed, len(placed))
    torch.testing.assert_close(field(shuffled), field(placed))
    safe = [(y, round(x) + 0.25, v) for y, x, v in placed]  # away from ties between two cells
    torch.testing.assert_close(field(safe, turn=360.0), field(safe))


def test_innovations_are_zero_where_nothing_is_observed_and_scaled_where_it_is():
    seen = stations([[410.0], [float("nan")]], [-45.0], [-112.5])
    batch = Batch({}, seen, grid())
    background = torch.full((1, 1, HEIGHT, WIDTH), 400.0)
    innovation, mask = innovations(batch, background, 5.0)
    assert innovation[0, 0, 1, 1] == 2
    assert innovation.abs().sum() == 2 and mask.sum() == 1


@pytest.mark.parametrize("longitude", [-170.0, -157.5, 0.0, 33.0, 179.0, 190.0, 350.0])
def test_bilinear_sampling_is_exact_for_a_plane_and_periodic(longitude):
    axes = grid()
    plane = axes.latitude[:, None] + torch.zeros(WIDTH)
    at = sample(plane, torch.tensor([12.0]), torch.tensor([longitude]), axes)
    torch.testing.assert_close(at, torch.tensor([12.0]))


def test_bilinear_sampling_interpolates_across_the_date_line():
    field = torch.zeros(HEIGHT, WIDTH)
    field[:, 0], field[:, -1] = 1.0, 3.0  # at -157.5 and 157.5, 45 degrees apart
    sites = torch.tensor([180.0, -180.0, 168.75, 191.25])
    at = sample(field, torch.zeros(4), sites, grid())
    torch.testing.assert_close(at, torch.tensor([2.0, 2.0, 2.5, 1.5]))


def test_beyond_the_outermost_rows_the_value_is_held():
    field = torch.arange(HEIGHT).float()[:, None].expand(HEIGHT, WIDTH)
    at = sample(field, torch.tensor([-90.0, 90.0]), torch.zeros(2), grid())
    assert at.tolist() == [0, HEIGHT - 1]


def test_nearest_sampling_reads_the_cell_that_rasterise_wrote():
    seen = stations([[3.0, 4.0]], [-61.0, 20.0], [100.0, 181.0])
    axes = grid(frames=1)
    value, _ = rasterise(seen, axes)
    at = sample(value, seen.latitude, seen.longitude, axes, "nearest")
    torch.testing.assert_close(at, seen.value)
