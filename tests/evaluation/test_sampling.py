"""Maps at places and times: exact for what bilinear and linear interpolation reproduce."""

import cftime
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from co2net_phys import prediction_file
from co2net_phys.data.schema import CO2, standard_error_name
from co2net_phys.errors import DataError
from co2net_phys.evaluation.sampling import at_observations, maps_of, monthly_means

LATITUDE, LONGITUDE = np.arange(-80.0, 81, 20), np.arange(-180.0, 180, 30)
START = np.datetime64("2010-03-01", "s")


def maps(times, value=None, **options):
    """Maps linear in latitude and time: 400 + latitude/10 + hours since the start."""
    seconds = (np.asarray(times) - START) / np.timedelta64(1, "s")
    field = np.zeros((len(times), LATITUDE.size, LONGITUDE.size)) + LATITUDE[:, None] / 10
    field = field + 400 + seconds[:, None, None] / 3600 if value is None else field * 0 + value
    data = xr.Dataset(
        {CO2: (("time", "latitude", "longitude"), field, {"units": "umol mol-1"})},
        {"time": np.asarray(times, "datetime64[ns]"), "latitude": LATITUDE, "longitude": LONGITUDE},
    )
    return maps_of(data, "rec.nc", **options)


def every(hours, count):
    return START + np.arange(count) * np.timedelta64(hours * 3600, "s")


@given(
    hours=st.lists(st.floats(0, 57), min_size=1, max_size=30),
    latitude=st.floats(-80, 80),
    longitude=st.floats(-180, 179),
    at_once=st.integers(1, 7),
)
@settings(max_examples=40, deadline=None)
def test_linear_fields_are_exact_however_they_are_read(hours, latitude, longitude, at_once):
    seconds = np.round(np.array(hours) * 3600)
    times = START + seconds.astype("timedelta64[s]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction_file, "PIECE_BYTES", at_once * 8 * LATITUDE.size * LONGITUDE.size)
        here = np.full(len(times), latitude), np.full(len(times), longitude)
        values, covered = at_observations(maps(every(3, 20)), times, *here)
    assert covered.all()
    np.testing.assert_allclose(values, 400 + latitude / 10 + seconds / 3600, rtol=1e-12)


def test_the_nearest_map_and_the_nearest_cell():
    times = START + np.array([0, 80, 100, 179]) * np.timedelta64(60, "s")
    found = maps(every(3, 3), moment="nearest", place="nearest")
    values, _ = at_observations(found, times, np.full(4, 38.0), np.full(4, 10.0))
    np.testing.assert_allclose(values, [404, 404, 407, 407])


@pytest.mark.parametrize(
    ("moment", "covered"),
    [("linear", [False, True, True, False, True]), ("nearest", [True, True, True, False, True])],
)
def test_nothing_is_extrapolated_and_no_gap_is_filled(moment, covered):
    frames = np.concatenate([every(3, 3), every(3, 3) + np.timedelta64(1, "D")])
    times = START + np.array([-1, 0, 5, 14, 24]) * np.timedelta64(3600, "s")
    place = np.zeros(5), np.zeros(5)
    values, found = at_observations(maps(frames, moment=moment), times, *place)
    assert found.tolist() == covered
    assert (np.isfinite(values) == found).all()


def test_a_missing_map_spoils_only_what_it_takes_part_in():
    given_maps = maps(every(3, 3))
    given_maps.dataset[CO2][1] = np.nan
    times = START + np.array([0, 1, 3, 5, 6]) * np.timedelta64(3600, "s")
    values, covered = at_observations(given_maps, times, np.zeros(5), np.zeros(5))
    assert covered.all()
    assert np.isnan(values).tolist() == [False, True, True, True, False]


def test_a_single_map_is_sampled_at_its_own_time():
    times = every(3, 2)
    values, covered = at_observations(maps(every(3, 1)), times, np.zeros(2), np.zeros(2))
    assert covered.tolist() == [True, False]
    assert values[0] == 400


def test_a_calendar_without_leap_days():
    times = [cftime.DatetimeNoLeap(2012, 2, 28, 12), cftime.DatetimeNoLeap(2012, 3, 1, 12)]
    data = maps(every(3, 2)).dataset.isel(time=slice(0, 2)).assign_coords(time=times)
    data[CO2][0], data[CO2][1] = 400.0, 402.0
    moments = np.array(["2012-02-28T12", "2012-02-29T00", "2012-03-01T00"], "datetime64[s]")
    values, covered = at_observations(maps_of(data, "m.nc"), moments, np.zeros(3), np.zeros(3))
    assert covered.tolist() == [True, False, True], "29 February does not exist there"
    assert values[[0, 2]].tolist() == [400, 401]


def test_means_of_months_and_how_much_of_them_is_covered(monkeypatch):
    frames = every(6, 4 * 41)  # March, and ten days of April
    monkeypatch.setattr(prediction_file, "PIECE_BYTES", 8 * LATITUDE.size * LONGITUDE.size * 7)
    months, means, share = monthly_means(maps(frames), np.array([0.0, 20.0]), np.zeros(2))
    assert (months - 12 * 2010).tolist() == [2, 3]
    hours = np.arange(0, 24 * 41, 6)
    expected = [hours[: 4 * 31].mean(), hours[4 * 31 :].mean()]
    np.testing.assert_allclose(means, 400 + np.array(expected)[:, None] + [0, 2], rtol=1e-12)
    np.testing.assert_allclose(share, [1, 10 / 30])


def test_a_monthly_map_is_its_month():
    frames = np.array(["2010-03-16", "2010-04-16", "2010-05-16"], "datetime64[s]")
    months, means, share = monthly_means(maps(frames, 5.0), np.zeros(1), np.zeros(1))
    assert (means[:, 0].tolist(), share.tolist()) == ([5, 5, 5], [1, 1, 1])
    assert np.diff(months).tolist() == [1, 1]


def test_the_units_become_those_of_observations():
    data = maps(every(3, 2), 4e-4).dataset
    data[CO2].attrs["units"] = "mol mol-1"
    place = np.zeros(1), np.zeros(1)
    values, _ = at_observations(maps_of(data, "rec.nc"), every(3, 1), *place)
    assert values[0] == pytest.approx(400)
    error = standard_error_name(CO2)
    other = data.assign({error: data[CO2].assign_attrs(units="ppb")})
    with pytest.raises(DataError, match=rf"rec\.nc: variable '{error}' has units 'ppb'"):
        maps_of(other, "rec.nc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.rename({CO2: "tas"}).assign(), "holds 'tas', but stations observe CO2"),
        (lambda d: d.isel(time=[1, 0]), "'time' does not ascend"),
        (lambda d: d.isel(time=slice(0, 0)), "'time' does not ascend"),
        (lambda d: d.drop_vars("latitude"), "no coordinate 'latitude'"),
        (lambda d: d.assign_coords(time=[0, 1]), "'time' has no CF units"),
    ],
)
def test_maps_that_cannot_be_sampled(change, message):
    with pytest.raises(DataError, match=rf"rec\.nc: {message}"):
        maps_of(change(maps(every(3, 2)).dataset), "rec.nc")


def test_half_a_globe_cannot_be_sampled():
    half = maps_of(maps(every(3, 2)).dataset.isel(longitude=slice(0, 6)), "rec.nc")
    with pytest.raises(DataError, match=r"rec\.nc: longitude must go once around the globe"):
        at_observations(half, every(3, 1), np.zeros(1), np.zeros(1))
