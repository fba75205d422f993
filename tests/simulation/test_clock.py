import numpy as np
import pytest

from co2net_phys.simulation.clock import Clock

DAY = 86400.0


def test_day_phase_follows_the_utc_clock():
    clock = Clock(np.datetime64("2018-01-01T01:30"))
    assert clock.day_phase(0) == pytest.approx(1.5 / 24)
    assert clock.day_phase(22.5 * 3600) == pytest.approx(0, abs=1e-12)
    assert clock.day_phase(-3 * 3600) == pytest.approx(22.5 / 24)


@pytest.mark.parametrize(("year", "days"), [(2019, 365), (2020, 366), (2000, 366), (1900, 365)])
def test_year_phase_is_the_share_of_the_calendar_year(year, days):
    clock = Clock(np.datetime64(f"{year}-01-01"))
    assert clock.year_phase(0) == 0
    assert clock.year_phase(100 * DAY) == pytest.approx(100 / days)
    assert clock.year_phase(days * DAY) == 0, "the next year begins"
    assert clock.year_phase((days - 1) * DAY) == pytest.approx((days - 1) / days)


def test_years_grow_without_a_jump_over_the_turn_of_the_year():
    clock = Clock(np.datetime64("1999-12-30"))
    years = [clock.years(hour * 3600.0) for hour in range(24 * 5)]
    assert clock.years(2 * DAY) == 0
    steps = np.diff(years)
    assert (steps > 0).all()
    assert steps.max() < 1.01 / (365 * 24)


def test_moment_is_exact_far_from_the_start():
    clock = Clock(np.datetime64("2018-01-01T01:30"))
    assert clock.moment(59 * DAY + 0.25) == np.datetime64("2018-03-01T01:30:00.250")
