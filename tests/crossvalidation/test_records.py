"""Reading monthly tables, and what is left out together."""

import numpy as np
import pytest

from co2net_phys.crossvalidation.groups import folds_of, left_out_groups, series_groups
from co2net_phys.crossvalidation.records import read_alongside, read_monthly
from co2net_phys.errors import DataError, UsageError

HEADER = "sitecode,lon,lat,file,2008-01-15,2008-02-15,2009-01-15"
ROWS = (
    "AAA,10,50,co2_aaa_tower-insitu_1_allvalid-30magl.nc,390,391,392",
    "AAA,10,50,co2_aaa_tower-insitu_1_allvalid-200magl.nc,389,,391",
    "BBB,-60,-10,co2_bbb_surface-flask_1_representative.nc,385,386,",
    "CCC,179.5,0,co2_ccc_surface-insitu_2_allhours.nc,,,387",
    "EMP,5,5,co2_emp_surface-flask_1_representative.nc,,,",
    "MOV,-999.99,-999.99,co2_mov_shipboard-flask_1_representative.nc,384,,",
)


@pytest.fixture
def table(tmp_path):
    def write(rows=ROWS, header=HEADER, name="table.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def test_series_without_place_or_value_are_left_out(table):
    records = read_monthly(table())
    assert list(records.codes) == ["AAA", "AAA", "BBB", "CCC"]
    assert records.months[0] == np.datetime64("2008-01")
    assert records.table.shape == (4, 13)
    assert records.values.sum() == 390 + 391 + 392 + 389 + 391 + 385 + 386 + 387
    assert records.series[1].series_height == 200


def test_years_are_cut(table):
    records = read_monthly(table(), 2008, 2008)
    assert list(records.codes) == ["AAA", "AAA", "BBB"]
    assert records.months.size == 12


@pytest.mark.parametrize(
    ("years", "error", "words"),
    [
        ((2010, 2008), UsageError, "--start 2010 is after --end 2008"),
        ((1990, 1995), DataError, "no site with a place has a value"),
        ((2011, None), DataError, "has values from 2008-01 to 2009-01 only"),
    ],
)
def test_wrong_years_are_refused(table, years, error, words):
    with pytest.raises(error, match=words):
        read_monthly(table(), *years)


def test_a_list_of_stations_is_no_table(table):
    path = table(["AAA,10,50,co2_aaa_surface-flask_1_representative.nc"], "sitecode,lon,lat,file")
    with pytest.raises(DataError, match="no column of a month"):
        read_monthly(path)


def test_a_reference_is_matched_by_dataset_and_then_by_code(table):
    records = read_monthly(table())
    other = table(
        [
            "AAA,10,50,co2_aaa_tower-insitu_1_allvalid-200magl.nc,400,401,402",
            "BBB,-60,-10,co2_bbb_surface-flask_9_other.nc,500,,",
            "NEW,0,0,co2_new_surface-flask_1_representative.nc,1,1,1",
        ],
        name="model.csv",
    )
    values = read_alongside(other, records)
    assert np.isnan(values[0, 0]) or values[0, 0] == 400, "the only row of the code may stand in"
    assert values[1, 0] == 400
    assert values[1, 12] == 402
    assert values[2, 0] == 500
    assert np.isnan(values[3]).all()


def test_a_reference_of_other_sites_is_refused(table):
    records = read_monthly(table())
    other = table(["XXX,10,50,co2_xxx_surface-flask_1_representative.nc,400,401,402"], name="m.csv")
    with pytest.raises(DataError, match="shares no site and month"):
        read_alongside(other, records)


def test_all_series_of_a_code_are_left_out_together(table):
    groups, names = left_out_groups(read_monthly(table()), "site", None, 1)
    assert groups[0] == groups[1]
    assert np.unique(groups).size == 3
    assert names[0] == "AAA"


def test_regions_and_blocks(table):
    records = read_monthly(table())
    assert list(series_groups(records, "region")) == [
        "europe", "europe", "south-america", "ocean and islands",
    ]  # fmt: skip
    assert list(series_groups(records, "block")) == [
        "40 N 0 E", "40 N 0 E", "-20 N -60 E", "0 N 160 E",
    ]  # fmt: skip


def test_folds_keep_names_together_and_are_even():
    names = np.repeat([f"s{n}" for n in range(10)], 3)
    folds = folds_of(names, 4, seed=0)
    assert all(np.unique(folds[names == name]).size == 1 for name in names)
    assert sorted(np.bincount(folds) // 3) == [2, 2, 3, 3]
    assert not np.array_equal(folds, folds_of(names, 4, seed=1))


def test_more_folds_than_groups_are_refused(table):
    with pytest.raises(DataError, match="fewer than 9 folds"):
        left_out_groups(read_monthly(table()), "site", 9, 1)


def test_two_sites_are_too_few(table):
    with pytest.raises(DataError, match="too few to leave one out"):
        left_out_groups(read_monthly(table(ROWS[:3])), "site", None, 1)
