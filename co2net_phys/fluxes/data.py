"""The samples of a flux model: days at towers, and with each step a year of the constraints."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from co2net_phys.fluxes.constraints import RegionalYears, StationYears
from co2net_phys.fluxes.folds import Fold
from co2net_phys.fluxes.learner import FluxLearner
from co2net_phys.fluxes.samples import (
    FluxSample,
    RegionalSample,
    StationSample,
    TowerSample,
    station_values,
)
from co2net_phys.fluxes.tower_records import TowerRecords
from co2net_phys.task import Positions

DAY_STEP = 5
"""Of the days of a month one in so many is taken on all land; others at the next step."""


class FluxData:
    """What one member of an ensemble learns from, and what judges it.

    Attributes
    ----------
    training, held_out
        Records of the sites that it learns from, and of those that judge it.

    Parameters
    ----------
    records
        Of all towers.
    fold
        Which of them, which years and which stations are held out.
    regions, stations
        Further constraints, or None.
    day_step
        See `DAY_STEP`.
    seed
        Of draws.
    """

    def __init__(
        self,
        records: TowerRecords,
        fold: Fold,
        regions: RegionalYears | None = None,
        stations: StationYears | None = None,
        *,
        day_step: int = DAY_STEP,
        seed: int = 0,
    ) -> None:
        self.fold, self.regions, self.stations = fold, regions, stations
        self.day_step, self.seed = day_step, seed
        self.training = records.of_sites(fold.training_sites)
        self.held_out = records.of_sites(fold.validation_sites)

    def sample(self, positions: Positions, epoch: int, step: int) -> FluxSample:
        """Some of the training records, and the year and days of that step of that epoch.

        What is drawn depends on seed, epoch and step alone.
        """
        random = np.random.default_rng([self.seed, 13, epoch, step])
        regions, stations = self.regions, self.stations
        return FluxSample(
            TowerSample(
                torch.from_numpy(self.training.drivers[positions]),
                torch.from_numpy(self.training.nee[positions]),
            ),
            None if regions is None else self._seen_year(regions, random),
            None if stations is None else self._seen_stations(stations, random),
        )

    @torch.no_grad()
    def validation_error(self, learner: FluxLearner) -> float:
        """Error in g m-2 d-1 at the sites, years and stations that are held out.

        For towers alone it is their RMSE. Each further constraint has a relative error, its RMSE
        over the standard deviation of what it is compared with, at stations over what NEE adds to
        the known fluxes; the mean of all relative errors, times the standard deviation at the
        towers, is the result.
        """
        model, was_training = learner.model, learner.model.training
        model.eval()
        nee = torch.from_numpy(self.held_out.nee)
        modelled = _run(model, torch.from_numpy(self.held_out.drivers))
        errors = [_relative_error([modelled], [nee], [torch.ones_like(nee)])]
        if self.regions is not None and self.fold.validation_years:
            errors.append(self._regional_error(self.regions, learner))
        if self.stations is not None and self.fold.validation_stations:
            errors.append(self._station_error(self.stations, model))
        model.train(was_training)
        return float(np.mean(errors)) * float(nee.double().std(correction=0))

    @cached_property
    def _unseen(self) -> Tensor:
        """(S,) whether a station is held out."""
        codes = self.stations.codes if self.stations is not None else ()
        return torch.tensor([code in self.fold.validation_stations for code in codes])

    def _seen_year(self, regions: RegionalYears, random: np.random.Generator) -> RegionalSample:
        return regions.sample(int(random.choice(self.fold.training_years)))

    def _seen_stations(self, stations: StationYears, random: np.random.Generator) -> StationSample:
        year, day = int(random.choice(stations.years)), int(random.integers(self.day_step))
        sample = stations.sample(year, day, self.day_step)
        return sample._replace(observed=sample.observed.masked_fill(self._unseen, torch.nan))

    def _regional_error(self, regions: RegionalYears, learner: FluxLearner) -> float:
        """Of monthly totals per area against the mean of the inversions, weighted by area."""
        estimates, targets, weights = [], [], []
        for year in self.fold.validation_years:
            seen = regions.sample(year)
            area = seen.land_area / seen.land_area.mean()
            totals = learner.regional_totals(seen.drivers, seen.months)
            estimates.append(totals / area)
            targets.append(seen.inversions.mean(0) / area)
            weights.append(area.expand_as(totals))
        return _relative_error(estimates, targets, weights)

    def _station_error(self, stations: StationYears, model: nn.Module) -> float:
        """Of monthly means at the stations held out, weighted by their errors."""
        estimates, targets, weights = [], [], []
        for year in stations.years:
            there = stations.sample(year, self.day_step // 2, self.day_step)
            given = torch.isfinite(there.observed) & self._unseen
            modelled = station_values(there, _run(model, there.drivers))
            estimates.append((modelled - there.baseline)[given])
            targets.append((there.observed - there.baseline)[given])
            weights.append(there.error[given] ** -2)
        return _relative_error(estimates, targets, weights, about=0.0)


def _run(model: nn.Module, drivers: Tensor) -> Tensor:
    """NEE on the CPU, wherever the model is."""
    output: Tensor = model(drivers.to(next(model.parameters()).device))
    return output.cpu()


def _relative_error(
    estimates: list[Tensor],
    targets: list[Tensor],
    weights: list[Tensor],
    about: float | None = None,
) -> float:
    """Weighted RMSE over the weighted spread of the target `about` a value, or else its mean."""
    estimate, target, weight = (
        torch.cat([part.flatten() for part in parts]).double()
        for parts in (estimates, targets, weights)
    )
    centre = (weight * target).sum() / weight.sum() if about is None else about
    spread = (weight * (target - centre) ** 2).sum()
    return float(((weight * (estimate - target) ** 2).sum() / spread).sqrt())
