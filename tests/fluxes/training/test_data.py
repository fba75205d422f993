"""Steps that depend on seed and epoch alone, samples that hold what they say."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from co2net_phys.errors import DataError
from co2net_phys.fluxes.bridge_fitting import BridgeSettings, fit_bridges
from co2net_phys.fluxes.bridges import BridgeOperator
from co2net_phys.fluxes.constraints import RegionalYears
from co2net_phys.fluxes.data import FluxData
from co2net_phys.fluxes.drivers import DriverStore
from co2net_phys.fluxes.folds import make_folds
from co2net_phys.fluxes.inversions import Inversions
from co2net_phys.fluxes.learner import REGIONS, TOWERS, FluxLearner
from co2net_phys.fluxes.network import FluxConfig, FluxNetwork
from co2net_phys.fluxes.prior_nee import PriorNee
from co2net_phys.fluxes.regional_loss import regional_loss, tower_loss
from co2net_phys.fluxes.schema import NEE
from co2net_phys.fluxes.tower_records import tower_records
from co2net_phys.task import TOTAL


class Exact(torch.nn.Module):
    """The rule of the coarse land, plus an offset."""

    def __init__(self, offset=0.0):
        super().__init__()
        self.offset = torch.nn.Parameter(torch.tensor(offset))

    def forward(self, drivers):
        return 2 * drivers[..., 0] + drivers[..., 8] / 10 + self.offset


@pytest.fixture(scope="module")
def bridges(coarse_land):
    settings = BridgeSettings(candidates=12, clusters=4, threshold=0.95)
    fitted = fit_bridges(PriorNee([coarse_land.nee_store], "nee.nc"), settings)
    return BridgeOperator(fitted, coarse_land.grid.latitude, coarse_land.grid.longitude)


@pytest.fixture(scope="module")
def regions(coarse_land, bridges):
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    return RegionalYears(fields, bridges, coarse_land.inversions())


@pytest.fixture(scope="module")
def data(coarse_land, regions):
    records = tower_records(coarse_land.towers(), "towers.nc")
    fold = make_folds(records.reporting, regions.years, count=4, held_out_years=1)[0]
    return FluxData(records, fold, regions)


def test_records_are_good_days_with_all_that_is_needed(coarse_land):
    table = first_days(coarse_land.towers(sites=2))
    table.quality[0, 0], table.nee[0, 1], table.inputs[1, 2, 8] = 0.5, np.nan, np.nan
    records = tower_records(table, "towers.nc")
    assert records.site.tolist() == [0] * 3 + [1] * 4
    np.testing.assert_allclose(records.nee[:3], table.nee[0, 2:], rtol=1e-6)
    np.testing.assert_array_equal(records.drivers[3], table.inputs[1, 0])
    assert records.reporting == ("XX-000", "XX-001")
    mean, deviation = records.statistics()[NEE]
    assert (mean, deviation) == pytest.approx((records.nee.mean(), records.nee.std()), rel=1e-5)


def first_days(table):
    parts = {name: getattr(table, name)[:, :5].copy() for name in ("inputs", "nee", "quality")}
    return replace(table, days=table.days[:5], **parts)


def test_tables_without_use_are_refused(coarse_land):
    table = first_days(coarse_land.towers(sites=2))
    with pytest.raises(DataError, match=r"towers\.nc: nee: no day"):
        tower_records(replace(table, quality=0 * table.quality), "towers.nc")
    one = replace(table, quality=table.quality * np.array([[1], [0]]))
    with pytest.raises(DataError, match="does not vary"):
        tower_records(one, "towers.nc").statistics()
    with pytest.raises(DataError, match="no record at XX-999"):
        tower_records(table, "towers.nc").of_sites(["XX-999"])


def test_drivers_are_read_where_and_when_they_are_asked_for(coarse_land):
    fields = DriverStore(coarse_land.drivers, "drivers.nc")
    assert np.array_equal(np.argwhere(fields.land), coarse_land.land)
    values = fields.at(np.array([4, 900]), coarse_land.land[[7, 3]])
    row, column = coarse_land.land[3]
    expected = [
        coarse_land.drivers[name].isel(latitude=row, longitude=column) for name in fields.names
    ]
    expected = [field.values if field.ndim == 0 else field.values[900] for field in expected]
    np.testing.assert_allclose(values[1, 1], expected, rtol=1e-6)
    sea = np.argwhere(~fields.land)[:1]
    with pytest.raises(DataError, match=r"drivers\.nc: WAI2: missing on land"):
        fields.at(np.array([0]), sea)
    with pytest.raises(DataError, match="not one value a day"):
        DriverStore(coarse_land.drivers.isel(time=[0, 1, 3]), "drivers.nc")


def test_regional_samples_are_whole_years(regions, coarse_land, bridges):
    assert regions.years == (2001, 2002, 2003)
    sample = regions.sample(2002)
    assert sample.drivers.shape == (365, len(bridges.pixels), 10)
    assert sample.months.bincount().tolist() == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    totals = coarse_land.inversions().nee[:, 12:24]
    np.testing.assert_allclose(sample.inversions, totals, rtol=1e-6)
    # The exact rule at the pixels gives the true totals, as good as the bridges are.
    nee = Exact()(sample.drivers).detach()
    estimated = bridges.monthly(nee, sample.months).numpy()
    true = totals.mean(axis=0)
    assert np.sum((estimated - true) ** 2) < 0.06 * np.sum(true**2)


def test_years_that_are_not_whole_are_left_out(coarse_land, bridges):
    fields = DriverStore(coarse_land.drivers.isel(time=slice(31, None)), "drivers.nc")
    everything = coarse_land.inversions()
    short = Inversions(everything.months[:30], everything.nee[:, :30])
    assert RegionalYears(fields, bridges, everything).years == (2002, 2003)
    assert RegionalYears(fields, bridges, short).years == (2002,)
    shorter = Inversions(everything.months[:23], everything.nee[:, :23])
    with pytest.raises(DataError, match=r"drivers\.nc: time: no whole year"):
        RegionalYears(fields, bridges, shorter)


def test_samples_hold_the_records_asked_for(data):
    sites = {data.training.codes[place] for place in np.unique(data.training.site)}
    assert sites == set(data.fold.training_sites)
    rows = np.array([7, 3, 900])
    sample = data.sample(rows, epoch=2, step=1)
    assert sample.stations is None
    np.testing.assert_array_equal(sample.towers.nee, data.training.nee[rows])
    np.testing.assert_array_equal(sample.towers.drivers, data.training.drivers[rows])


def test_what_is_drawn_depends_on_epoch_and_step_alone(data):
    rows = np.arange(3)
    drawn = [
        [float(data.sample(rows, epoch, step).regions.inversions.sum()) for step in range(8)]
        for epoch in (0, 1, 0)
    ]
    assert drawn[0] == drawn[2] != drawn[1]
    assert len(set(drawn[0])) == len(data.fold.training_years)


def test_held_out_years_are_not_learned_from(data):
    held_out = data.regions.sample(data.fold.validation_years[0]).inversions
    for step in range(30):
        sample = data.sample(np.arange(3), 0, step)
        assert not torch.equal(sample.regions.inversions, held_out)


def test_the_learner_adds_the_terms_as_printed(data, bridges):
    config = FluxConfig(statistics=data.training.statistics())
    learner = FluxLearner(FluxNetwork(config), bridges)
    sample = data.sample(np.arange(3000), 0, 0)
    with torch.no_grad():
        terms = learner(sample)
        towers = tower_loss(learner.model(sample.towers.drivers), sample.towers.nee)
        totals = bridges.monthly(learner.model(sample.regions.drivers), sample.regions.months)
        regional = regional_loss(totals, sample.regions.inversions, sample.regions.land_area)
    assert set(terms) == {TOWERS, REGIONS, TOTAL}
    assert float(terms[TOWERS]) == pytest.approx(float(towers))
    assert float(terms[REGIONS]) == pytest.approx(float(regional))
    assert float(terms[TOTAL]) == pytest.approx(0.5 * float(towers + regional))


def test_towers_alone_are_equation_4(data):
    config = FluxConfig(statistics=data.training.statistics())
    learner = FluxLearner(FluxNetwork(config))
    sample = data.sample(np.arange(3000), 0, 0)
    terms = learner(sample._replace(regions=None))
    assert set(terms) == {TOWERS, TOTAL} and torch.equal(terms[TOWERS], terms[TOTAL])
    assert not list(learner.objective.parameters())


def test_validation_is_the_error_at_towers_and_relative_to_the_inversions(data, bridges):
    alone = FluxData(data_records(data), data.fold)
    assert alone.validation_error(FluxLearner(Exact(0.3))) == pytest.approx(0.3, rel=1e-5)
    learner = FluxLearner(Exact(0.3), bridges)
    nee = data.held_out.nee.astype(np.float64)
    regional = (2 * data.validation_error(learner) - 0.3) / nee.std()
    area = data.regions.sample(2001).land_area.double()
    area = area / area.mean()
    squares, spread, all_targets, weights = 0.0, 0.0, [], []
    for year in data.fold.validation_years:
        seen = data.regions.sample(year)
        with torch.no_grad():
            totals = bridges.monthly(learner.model(seen.drivers), seen.months)
        target = seen.inversions.mean(0) / area
        squares += float((area * (totals / area - target) ** 2).sum())
        all_targets.append(target)
        weights.append(area.expand_as(target))
    target, weight = torch.cat(all_targets), torch.cat(weights)
    mean = (weight * target).sum() / weight.sum()
    spread = float((weight * (target - mean) ** 2).sum())
    assert regional == pytest.approx((squares / spread) ** 0.5, rel=1e-4)


def data_records(data):
    """All records again, from the two parts of them."""
    parts = (data.training, data.held_out)
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("drivers", "nee", "site")
    }
    return replace(data.training, **columns)


def test_towers_teach_the_rule_and_inversions_correct_their_bias(coarse_land, regions, bridges):
    """Towers that are all 0.5 too high; the inversions know better."""
    records = tower_records(coarse_land.towers(sites=40, bias=0.5, noise=1.0), "towers.nc")
    fold = make_folds(records.reporting, regions.years, count=10, held_out_years=1)[0]
    truth = torch.from_numpy(coarse_land.nee[-365:][:, *coarse_land.land.T])
    everywhere = DriverStore(coarse_land.drivers, "drivers.nc")
    last = np.arange(len(coarse_land.days) - 365, len(coarse_land.days))
    drivers = torch.from_numpy(everywhere.at(last, coarse_land.land))
    offsets, random = {}, np.random.default_rng(1)
    for name, constraint in (("ec", None), ("ec-atm", regions)):
        flux_data = FluxData(records, fold, constraint)
        config = FluxConfig(statistics=flux_data.training.statistics())
        learner = FluxLearner(FluxNetwork(config), bridges if constraint else None)
        optimiser = torch.optim.AdamW(learner.parameters(), lr=0.01)
        for step in range(100):
            optimiser.zero_grad()
            rows = random.integers(len(flux_data.training), size=5000)
            learner(flux_data.sample(rows, 0, step))[TOTAL].backward()
            optimiser.step()
        with torch.no_grad():
            offsets[name] = float((learner.model(drivers) - truth).mean())
    assert offsets["ec"] > 0.4
    assert offsets["ec-atm"] < offsets["ec"] - 0.15


def test_xarray_is_not_asked_for_more_than_it_has():
    with pytest.raises(DataError, match="no variable 'WAI2'"):
        DriverStore(xr.Dataset(coords={"time": np.array(["2001-01-01"], "datetime64[ns]")}), "d.nc")


def test_regions_are_known_by_bridges_and_inversions(coarse_land, bridges, regions):
    fields, inversions = DriverStore(coarse_land.drivers, "drivers.nc"), coarse_land.inversions()
    assert RegionalYears(fields, bridges, inversions).digests == regions.digests
    stronger = deepcopy(bridges)
    stronger.coefficients *= 1.01
    more = replace(inversions, nee=1.01 * inversions.nee)
    for changed, other in (
        ("bridges", RegionalYears(fields, stronger, inversions)),
        ("inversions", RegionalYears(fields, bridges, more)),
    ):
        ours, theirs = regions.digests, other.digests
        assert {name for name in ours if theirs[name] != ours[name]} == {changed}
