"""Addresses of CarbonTracker's daily files, as public code and NOAA's own pages give them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import UsageError
from co2net_phys.fetching.carbontracker import carbontracker_files

DAYS = st.dates(date(2000, 1, 1), date(2021, 2, 28))


def addresses(*words, **options):
    return [file.addresses[0] for file in carbontracker_files(*words, **options)]


def test_mole_fractions():
    assert addresses(date(2000, 1, 31), date(2000, 2, 1)) == [
        "https://gml.noaa.gov/aftp/products/carbontracker/co2/CT2022/molefractions/co2_total/"
        f"CT2022.molefrac_glb3x2_{day}.nc"
        for day in ("2000-01-31", "2000-02-01")
    ]


def test_fluxes_of_another_release_at_a_mirror():
    day = date(2018, 7, 1)
    found = addresses(day, day, release="CT2019B", kind="fluxes", base="http://127.0.0.1:8000/co2/")
    assert found == [
        "http://127.0.0.1:8000/co2/CT2019B/fluxes/three-hourly/CT2019B.flux1x1.20180701.nc"
    ]
    assert "/CT-NRT.v2025-1/" in addresses(day, day, release="CT-NRT.v2025-1")[0]


@given(DAYS, DAYS)
def test_one_file_a_day_each_day_once_in_order(one, other):
    start, end = sorted((one, other))
    names = [file.name for file in carbontracker_files(start, end)]
    assert len(names) == (end - start).days + 1
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("start", "end"),
    [("1999-12-31", "2000-01-01"), ("2021-02-28", "2021-03-01"), ("2030-01-01", "2030-01-01")],
)
def test_days_outside_the_release_are_refused(start, end):
    with pytest.raises(UsageError, match="CT2022 has the days 2000-01-01 to 2021-02-28"):
        addresses(date.fromisoformat(start), date.fromisoformat(end))


def test_the_first_and_the_last_day_are_inside():
    assert len(addresses(date(2000, 1, 1), date(2021, 2, 28))) == 7730


def test_days_to_come_are_refused_in_every_release():
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    with pytest.raises(UsageError, match="CT2026 has the days"):
        addresses(tomorrow, tomorrow, release="CT2026")


def test_exchanged_days_are_refused():
    with pytest.raises(UsageError, match="exchange them"):
        addresses(date(2001, 1, 2), date(2001, 1, 1))


@pytest.mark.parametrize("release", ["", "2022", "CT", "CT2022/..", "../CT2022", "CT..", "CT 22"])
def test_a_release_that_is_none_is_refused(release):
    with pytest.raises(UsageError, match="--release"):
        addresses(date(2001, 1, 1), date(2001, 1, 1), release=release)
