"""What a time window of station values tells, by the solver and by hand."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from co2net_phys.data.stations import load_stations
from co2net_phys.data.winds import read_wind
from co2net_phys.solvers import Grid, SolidBodyRotation, SphericalHarmonics, SteadyWind
from co2net_phys.validation import observability, station_window
from co2net_phys.validation.observability import (
    STATEMENTS,
    degrees_of_freedom,
    gramian,
    recovery_error,
)
from co2net_phys.validation.station_matrix import sampling_matrix
from co2net_phys.validation.station_window import (
    DEGREE,
    FRAME,
    TRUNCATION,
    BackAndForth,
    frame_step,
    observation_matrix,
    observed_in_still_air,
    observed_in_twin,
    observed_with_wind,
    solver_harmonics,
    station_values,
    twin_wind,
    unit_fields,
    wind_of_series,
)

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
GFS = DATA / "winds/gfs_10m_6h_1deg_20161120-22.nc"
ERA5 = DATA / "winds/era5_tl31_19590102T00.nc"


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name)
def test_statements_are_as_documented(statement):
    verdict = statement.judge()
    assert verdict.is_as_documented, verdict
    assert verdict.corrected.measured >= 0.0
    assert verdict.corrected.note


def test_modal_and_real_values_at_stations_agree():
    stations = load_stations()
    modal = torch.view_as_real(unit_fields(5, 7)).flatten(1)
    seen = (modal @ station_values(stations, 7)).mT.numpy()
    assert seen == pytest.approx(sampling_matrix(stations, 5), abs=1e-14)


def test_the_first_frame_is_the_sampling_matrix():
    assert observed_in_twin()[0] == pytest.approx(
        sampling_matrix(load_stations(), DEGREE), abs=1e-13
    )


def test_still_air_by_the_solver_and_by_the_exact_step():
    harmonics = solver_harmonics()
    calm = SteadyWind(*torch.zeros(2, *harmonics.grid.shape, dtype=torch.float64))
    solved = observed_with_wind(calm, harmonics, diffusivity=1e5, frames=4)
    assert solved == pytest.approx(observed_in_still_air(1e5)[:4], abs=1e-13)


def test_in_solid_body_rotation_stations_move_westward_instead():
    """The air that arrives at longitude λ after t came from λ − Ωt."""
    harmonics = SphericalHarmonics(Grid.gaussian(TRUNCATION), TRUNCATION)
    rotation = SolidBodyRotation(harmonics, 4e-6)
    seen = observed_with_wind(rotation, harmonics, diffusivity=0.0, frames=3)
    shift = math.degrees(4e-6 * 2 * FRAME)
    upstream = tuple(
        type(s)(s.code, s.name, s.latitude, s.longitude - shift, 0.0) for s in load_stations()
    )
    assert seen[2] == pytest.approx(sampling_matrix(upstream, DEGREE), abs=2e-3)


def test_degrees_of_freedom_of_a_known_spectrum():
    observed = np.diag([3.0, 1.0, 0.0])[None] / math.sqrt(4 * math.pi / 3)
    expected = 9 / (9 + 0.25) + 1 / 1.25
    assert degrees_of_freedom(observed, 1, 0.5) == pytest.approx(expected, rel=1e-12)
    assert gramian(np.concatenate([observed, observed]), 2) == pytest.approx(
        2 * observed[0] @ observed[0]
    )


def test_degrees_of_freedom_predict_the_error_of_trials():
    """Least expected error: its square is the share of the degrees of freedom that is missing."""
    observed = observed_in_twin()
    for frames in (1, 8, 40):
        missing = 1.0 - degrees_of_freedom(observed, frames) / observed.shape[-1]
        assert recovery_error(observed, frames) == pytest.approx(math.sqrt(missing), rel=0.05)


def test_longer_windows_and_less_noise_tell_more():
    observed = observed_in_twin()
    by_length = [degrees_of_freedom(observed, frames) for frames in (1, 8, 40, 80)]
    assert by_length == sorted(by_length)
    by_noise = [degrees_of_freedom(observed, 8, noise) for noise in (1.0, 0.1, 0.01)]
    assert by_noise == sorted(by_noise)
    assert by_length[-1] < observed.shape[-1]


def test_the_record_order_turns_and_the_wind_does_not():
    harmonics = SphericalHarmonics(Grid.gaussian(4), 4)
    wind = BackAndForth(twin_wind(harmonics, frames=2), 2 * FRAME)
    for time, same in ((2.5 * FRAME, 1.5 * FRAME), (4 * FRAME, 0.0), (9.25 * FRAME, 1.25 * FRAME)):
        for got, expected in zip(wind(time), wind.wind(same), strict=True):
            assert torch.allclose(got, expected)
    assert wind.max_speed == wind.wind.max_speed


def test_a_wrong_adjoint_is_noticed(monkeypatch):
    """Stations mirrored in longitude in one of the two computations."""
    observed_in_twin()  # cached with the right ones
    mirrored = tuple(
        type(s)(s.code, s.name, s.latitude, -s.longitude, 0.0) for s in load_stations()
    )
    monkeypatch.setattr(observability, "load_stations", lambda: mirrored)
    assert not observability.gramian_matches_adjoint().holds


def test_a_wind_that_does_not_blow_is_noticed(monkeypatch):
    monkeypatch.setattr(observability, "observed_in_twin", lambda: observed_in_still_air(1e5))
    assert not observability.window_helps_in_wind().holds
    assert not observability.window_recovers_the_field().holds


def test_the_matrix_needs_no_whole_network():
    harmonics = solver_harmonics()
    step, count = frame_step(harmonics, twin_wind(harmonics, frames=2), 0.0)
    assert observation_matrix(load_stations()[:3], step, count, TRUNCATION, 2).shape == (2, 3, 256)
    assert station_window.TRUNCATION >= DEGREE


@pytest.mark.skipif(
    not (GFS.exists() and ERA5.exists()),
    reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA",
)
@pytest.mark.parametrize(
    ("path", "level"), [(GFS, None), (ERA5, 850.0)], ids=["gfs-10m", "era5-850"]
)
def test_real_winds_show_more_than_still_air(path, level):
    harmonics = solver_harmonics()
    wind = wind_of_series(read_wind(path, level=level), harmonics)
    moving = observed_with_wind(wind, harmonics, frames=40)
    still = observed_in_still_air(1e5)
    assert degrees_of_freedom(moving, 1) == pytest.approx(degrees_of_freedom(still, 1))
    assert degrees_of_freedom(moving, 40) > 1.5 * degrees_of_freedom(still, 40)
