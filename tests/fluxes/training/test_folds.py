"""Folds by site: a partition, the same whenever it is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from co2net_phys.errors import DataError
from co2net_phys.fluxes.folds import make_folds

SITES = [f"XX-{number:03d}" for number in range(37)]
YEARS = range(2001, 2018)
STATIONS = [f"s{number}" for number in range(13)]


@given(st.permutations(SITES), st.integers(0, 1000))
def test_every_site_and_station_validates_one_fold(sites, seed):
    folds = make_folds(sites, YEARS, STATIONS, seed=seed)
    assert len(folds) == 10
    assert sorted(code for fold in folds for code in fold.validation_sites) == SITES
    assert sorted(code for fold in folds for code in fold.validation_stations) == sorted(STATIONS)
    for fold in folds:
        assert not set(fold.training_sites) & set(fold.validation_sites)
        assert sorted(fold.training_sites + fold.validation_sites) == SITES
        assert len(fold.validation_years) == 2
        assert sorted(fold.training_years + fold.validation_years) == list(YEARS)
        assert len(fold.validation_sites) in (3, 4)
    assert folds == make_folds(SITES, YEARS, STATIONS, seed=seed)


def test_the_seed_and_the_fold_change_what_is_held_out():
    one, other = make_folds(SITES, YEARS, seed=0), make_folds(SITES, YEARS, seed=1)
    assert [fold.validation_sites for fold in one] != [fold.validation_sites for fold in other]
    assert len({fold.validation_years for fold in one}) > 1


def test_without_inversions_no_year_is_held_out():
    fold = make_folds(SITES, count=3)[0]
    assert fold.training_years == fold.validation_years == fold.validation_stations == ()


def test_too_little_is_refused():
    with pytest.raises(DataError, match="3 sites do not make 10 folds"):
        make_folds(SITES[:3])
    with pytest.raises(DataError, match="1 folds"):
        make_folds(SITES, count=1)
    with pytest.raises(DataError, match="2 whole years, 2 of them held out"):
        make_folds(SITES, [2001, 2002])
