"""Towers of the synthetic world, and how records are joined with drivers."""

import dataclasses
import logging

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.fluxes.drivers import DriverStore, open_drivers
from co2net_phys.fluxes.fluxnet import read_tower_record
from co2net_phys.fluxes.schema import DRIVERS
from co2net_phys.fluxes.simulate import (
    DRIVERS_FILE,
    SITES_FILE,
    TOWER_TRUTH_FILE,
    TOWERS_FOLDER,
)
from co2net_phys.fluxes.simulated_towers import NOISE_FLOOR, TROPIC, simulate_towers
from co2net_phys.fluxes.sites import Site, read_sites
from co2net_phys.fluxes.towers import (
    find_records,
    join_towers,
)

TAIR = list(DRIVERS).index("Tair")


@pytest.fixture(scope="module")
def towers(world):
    return simulate_towers(world)


@pytest.fixture(scope="module")
def drivers(world_folder):
    return open_drivers(world_folder / DRIVERS_FILE)


@pytest.fixture(scope="module")
def sites(world_folder):
    return read_sites(world_folder / TOWERS_FOLDER / SITES_FILE)


@pytest.fixture(scope="module")
def table(world_folder, sites, drivers):
    return join_towers(find_records(world_folder / TOWERS_FOLDER), sites, drivers)


def test_towers_stand_where_they_are_meant_to(towers, world):
    latitude = np.array([tower.site.latitude for tower in towers])
    assert len(towers) == world.config.towers
    assert np.mean(latitude > 25) >= 0.75
    assert 0 < np.mean(np.abs(latitude) < 25) < 0.25
    assert all(0 <= tower.cell < world.cells.sum() for tower in towers)


def test_the_bias_is_the_lost_share_of_respiration(towers, world):
    for tower in towers:
        when = np.isin(world.days, tower.days)
        respiration = world.biosphere.respiration[when, tower.cell]
        if abs(tower.site.latitude) >= TROPIC:
            assert (tower.bias == 0).all()
            continue
        stand = tower.true_nee - world.biosphere.nee[when, tower.cell] + respiration
        np.testing.assert_allclose(tower.bias, -world.config.night_loss * stand, rtol=1e-9)
        assert tower.bias.max() < 0, "towards a sink"


def test_reports_are_truth_bias_and_noise(towers):
    for tower in towers:
        error = tower.nee - tower.true_nee - tower.bias
        seen = np.isfinite(error)
        spread = NOISE_FLOOR + 0.12 * np.abs(tower.true_nee)
        standard = error[seen] / spread[seen]
        assert abs(standard.mean()) < 5 / np.sqrt(seen.sum())
        assert standard.std() == pytest.approx(1, abs=0.15)
    out = np.mean(np.concatenate([~np.isfinite(tower.nee) for tower in towers]))
    assert out == pytest.approx(12 / 132, rel=0.3)


def test_files_hold_what_the_towers_report(towers, world_folder):
    for tower in towers[:5]:
        record = read_tower_record(world_folder / TOWERS_FOLDER / tower.file_name)
        assert record.site == tower.site.code and record.resolution == "daily"
        np.testing.assert_array_equal(record.times, tower.days)
        np.testing.assert_allclose(record.nee, tower.nee, atol=1e-5)
        np.testing.assert_allclose(record.quality, tower.quality, atol=1e-4)


def test_the_truth_is_written_beside(towers, world_folder):
    with xr.open_dataset(world_folder / TOWER_TRUTH_FILE) as truth:
        assert [str(code) for code in truth["site_code"].values] == [t.site.code for t in towers]
        first = int(np.flatnonzero(np.isfinite(truth["true_nee"].values[3]))[0])
        assert truth["time"].values[first] == towers[3].days[0]
        np.testing.assert_allclose(
            truth["bias"].values[3, first : first + len(towers[3].days)], towers[3].bias, rtol=1e-6
        )


def test_drivers_come_back_as_they_were(drivers, world):
    assert np.array_equal(drivers.land, world.cells)
    assert np.array_equal(drivers.days, world.days)
    pixels = np.argwhere(world.cells)[[5, 0]]
    inputs = drivers.at(np.arange(3, 7), pixels)
    assert inputs.shape == (4, 2, 10)
    for place, values in enumerate(world.biosphere.drivers.values()):
        expected = np.broadcast_to(values, (len(world.days), world.cells.sum()))[3:7][:, [5, 0]]
        np.testing.assert_allclose(inputs[..., place], expected, rtol=1e-6)


def test_pixels_are_found_by_place(drivers):
    for row, column in np.argwhere(drivers.land)[[0, 17, -1]]:
        north, east = drivers.grid.latitude[row], drivers.grid.longitude[column]
        for turn in (-360, 0, 360):
            assert drivers.pixel_at(north + 1, east - 2 + turn) == (row, column)
    assert drivers.pixel_at(0, -150) is None


def test_records_meet_the_drivers_of_their_cell(table, drivers, towers):
    by_code = {tower.site.code: tower for tower in towers}
    for row, site in enumerate(table.sites[:6]):
        tower = by_code[site.code]
        pixel = drivers.pixel_at(site.latitude, site.longitude)
        assert pixel == tuple(np.argwhere(drivers.land)[tower.cell])
        cell = drivers.at(np.arange(len(drivers.days)), np.array([pixel]))[:, 0]
        np.testing.assert_array_equal(
            np.delete(table.inputs[row], TAIR, 1), np.delete(cell, TAIR, 1)
        )
        when = np.isin(table.days, tower.days)
        own = table.inputs[row, when, TAIR]
        np.testing.assert_allclose(own, tower.air_temperature, atol=2e-3)
        np.testing.assert_array_equal(table.inputs[row, ~when, TAIR], cell[~when, TAIR])
        np.testing.assert_allclose(table.nee[row, when], tower.nee, atol=1e-5)
        assert np.isnan(table.nee[row, ~when]).all()


def test_samples_are_good_days_of_the_sites_asked_for(table):
    inputs, nee, site = table.samples([2, 5], least_quality=0.8)
    assert inputs.shape == (len(nee), 10) and set(site) == {2, 5}
    assert np.isfinite(nee).all() and np.isfinite(inputs).all()
    good = (table.quality[[2, 5]] >= 0.8) & np.isfinite(table.nee[[2, 5]])
    assert len(nee) == good.sum() > 0
    assert len(table.samples([2, 5], least_quality=0.0)[1]) > len(nee)


def test_towers_at_sea_are_left_out_with_a_warning(write_daily_csv, drivers, sites, caplog):
    path = write_daily_csv(start="2001-03-01", site="ZZ-Sea")
    land = sites[0]
    record = write_daily_csv(start="2001-03-01", site="ZZ-Lnd")
    listed = [Site("ZZ-Sea", 0.0, -150.0), dataclasses.replace(land, code="ZZ-Lnd")]
    with caplog.at_level(logging.WARNING):
        found = join_towers([path, record], listed, drivers)
    assert [site.code for site in found.sites] == ["ZZ-Lnd"]
    assert "the tower is left out" in caplog.text and path.name in caplog.text
    with pytest.raises(DataError, match="no tower has days and land"):
        join_towers([path], listed, drivers)


def test_records_that_cannot_be_joined(write_daily_csv, drivers, tmp_path, sites):
    path = write_daily_csv(start="2001-03-01")
    with pytest.raises(DataError, match="'ZZ-Tst' is not in the site list"):
        join_towers([path], sites, drivers)
    listed = [dataclasses.replace(sites[0], code="ZZ-Tst")]
    with pytest.raises(DataError, match="a second record of 'ZZ-Tst'"):
        join_towers([path, path], listed, drivers)
    monthly = tmp_path / "FLX_ZZ-Tst_FLUXNET2015_SUBSET_MM_2001-2001_1-4.csv"
    monthly.write_text("TIMESTAMP,NEE_VUT_REF,NEE_VUT_REF_QC\n200101,1.0,1\n200102,1.0,1\n")
    with pytest.raises(DataError, match="monthly values; give the daily"):
        join_towers([monthly], listed, drivers)
    with pytest.raises(DataError, match="no FLX_"):
        find_records(tmp_path / "nowhere")


def changed_units(data, name, units):
    return data.assign({name: data[name].assign_attrs(units=units)})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.drop_vars("WAI2"), "no variable 'WAI2'"),
        (lambda d: d.isel(latitude=slice(None, None, -1)), "latitude: does not ascend"),
        (lambda d: d.isel(time=[0, 2, 3]), "not one value a day"),
        (lambda d: d.assign(Tair=d["Tair"] * np.nan), "no cell of land has every driver"),
        (lambda d: d.rename(latitude="lat"), "dimensions are"),
        (lambda d: d.isel(time=0), "no axis 'time'"),
        (lambda d: d.drop_vars("latitude"), "no axis 'latitude'"),
        (lambda d: changed_units(d, "Tair", "degC"), "Tair: units are 'degC'; convert it to 'K'"),
        (lambda d: changed_units(d, "Rg_VIMSC", "mm"), "Rg_VIMSC has units 'mm'"),
        (lambda d: changed_units(d, "Rg_VIMSC", ""), "Rg_VIMSC has units ''"),
    ],
)
def test_wrong_driver_stores(world_folder, change, problem):
    with xr.open_dataset(world_folder / DRIVERS_FILE, engine="zarr", consolidated=False) as data:
        broken = change(data.isel(time=slice(0, 5)).load())
    with pytest.raises(DataError, match=problem) as caught:
        DriverStore(broken, "drivers.zarr")
    assert "\n" not in str(caught.value)
