"""The wind that carried the tracers of a file, with its uncertainty.

The record is taken in overlapping blocks of time, so that memory does not grow with its length.
The equations and their errors are those of `co2net_phys.solvers.recover_wind`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from co2net_phys.data.output_layout import Time
from co2net_phys.data.tracers import TracerSeries
from co2net_phys.errors import DataError, UsageError
from co2net_phys.solvers import Grid, RecoveredWind, SphericalHarmonics, fit_wind, recover_wind
from co2net_phys.wind_settings import WindSettings, tracer_truncation, wind_truncation

LOG = logging.getLogger(__name__)

Array = NDArray[np.float64]

BLOCK_BYTES = 2**28
"""Memory that the fields of one block of time may take."""

FIELDS_PER_TRACER, FIELDS_PER_WIND = 12, 40
"""Nodal fields of an instant that the recovery holds at a time, roughly."""

SHORTEST_BLOCK = 8
"""Instants; the overlap of shorter blocks would cost more than it saves."""

UNKNOWNS, DEFAULT_ORDER = 2, 4
"""Components of a wind; order of the difference in time where there are enough times."""

CONSTANT_IN_ROUNDINGS, ROUND_OFF = 3.0, 1e-11
"""A tracer whose spread is below so many roundings of its values, or this share, is constant."""

MORE = "give two tracers or more, or --window with a wind that is steady for several times"
"""What to do about a component that is not determined."""

UNRESOLVED = 0.01
"""Share of a tracer's standard deviation beyond the truncation that is worth a warning."""


class WindEstimate:
    """A recovery that is ready to run.

    Parameters
    ----------
    series
        The tracers.
    settings
        How to recover the wind.
    sources
        Rate of change of every tracer other than by transport, at a time: a function of the index
        that returns (tracer, latitude, longitude), tracer unit per s; None for no sources.

    Raises
    ------
    DataError
        Too few times, a grid without a known quadrature, or a constant tracer; one tracer where two
        components are asked for.
    UsageError
        The number of noises is neither one nor that of the tracers, or a truncation is too large.

    Attributes
    ----------
    grid, harmonics
        Of the tracers.
    order
        Of the difference in time.
    diffusivity, form
        Of the equation, m2 s-1.
    wind_truncation
        Of the wind, with the global method; None with the other.
    spread
        (tracer,) standard deviation in space, in the tracer's unit.
    noise
        (tracer,) standard deviation of a value, in the tracer's unit, rounding included; None if it
        is to be estimated.
    """

    def __init__(
        self,
        series: TracerSeries,
        settings: WindSettings,
        sources: Callable[[int], Array] | None = None,
    ) -> None:
        self.series, self.settings, self.sources = series, settings, sources
        _check_components(series, settings)
        self.order = _checked_order(series, settings)
        self.grid = _grid_of(series)
        known = series.made_with
        self.diffusivity = _first_of(settings.diffusivity, known.get("diffusivity"), 1e5)
        self.form = _checked_form(series, settings)
        self.harmonics = SphericalHarmonics(
            self.grid, tracer_truncation(series, settings, self.grid)
        )
        self.wind_truncation = wind_truncation(settings, self.harmonics.truncation)
        samples = [series.record(index) for index in _sampled(series.record_count)]
        self.spread = _rms([_spreads(self.grid, sample) for sample in samples])
        self.rounding = _rms([series.rounding(sample) for sample in samples])
        self._refuse_constants(samples)
        self._warn_of_unresolved(samples)
        self.noise = self._noise()

    @property
    def count(self) -> int:
        """Instants with a wind."""
        return self.series.record_count - self.order - self.settings.window + 1

    @property
    def block(self) -> int:
        """Instants that are worked on at a time."""
        fields = FIELDS_PER_TRACER * len(self.series.names) + FIELDS_PER_WIND
        per_instant = 8 * self.grid.nlat * self.grid.nlon * fields
        return min(max(BLOCK_BYTES // per_instant, SHORTEST_BLOCK), self.count)

    def time(self, index: float) -> Time:
        """Time of a record, or between two, to the microsecond."""
        times, whole = self.series.times, int(index)
        later = timedelta(seconds=(index - whole) * self.series.step)
        if not isinstance(times[whole], np.datetime64):
            return times[whole] + later
        # Hours in a file are decimal fractions: half a microsecond up undoes their round-off.
        record = (times[whole] + np.timedelta64(500, "ns")).astype("datetime64[us]")
        return record + np.timedelta64(later)

    def winds(self) -> Iterator[tuple[Time, RecoveredWind, int]]:
        """Time, block and place in the block of every wind, in order of time.

        Raises
        ------
        DataError
            Missing values, or a record that cannot be read.
        """
        margin = self.order // 2
        held: dict[int, Array] = {}
        for first in range(0, self.count, self.block):
            last = min(first + self.block, self.count)
            # More at either end: the error of the difference in time is told from them.
            start = max(first - margin - 1, 0)
            stop = min(last + 3 * margin + self.settings.window, self.series.record_count)
            held = {i: held[i] if i in held else self.series.record(i) for i in range(start, stop)}
            wind = self._recover(range(start, stop), held)
            for place in range(first - start, last - start):
                index = start + float(wind.instants[place])
                yield self.time(index), wind, place

    def _recover(self, indices: range, held: Mapping[int, Array]) -> RecoveredWind:
        tracers = torch.from_numpy(np.stack([held[i] for i in indices], axis=1))
        sources = None
        if self.sources is not None:
            sources = torch.from_numpy(np.stack([self.sources(i) for i in indices], axis=1))
        settings = self.settings
        options: dict[str, Any] = {"largest_error": settings.largest_error}
        recover: Callable[..., RecoveredWind] = recover_wind
        if settings.method == "global":
            options = {"wind_truncation": self.wind_truncation, "form": self.form}
            recover = fit_wind
        try:
            return recover(
                tracers, self.series.step, self.diffusivity, sources, self.noise,
                harmonics=self.harmonics, order=self.order, window=settings.window, **options,
            )  # fmt: skip
        except DataError as error:
            raise DataError(f"{self.series.source}: {error}") from error

    def _noise(self) -> Tensor | None:
        given = self.settings.noise
        if not given:
            equations = len(self.series.names) * self.settings.window
            if equations > UNKNOWNS or self.settings.method == "global":
                return None
            LOG.warning(
                "%s: %d equation%s for two unknowns leave%s no residual to tell the noise from; "
                "the standard errors count the rounding of the file and the time difference only, "
                "give --noise if the tracers are measured or come from a truncated model",
                self.series.source, equations, *(("", "s") if equations == 1 else ("s", "")),
            )  # fmt: skip
            return torch.from_numpy(self.rounding)
        count = len(self.series.names)
        if len(given) not in (1, count):
            raise UsageError(
                f"--noise is given {len(given)} times for {count} tracers "
                f"({', '.join(self.series.names)}); give one value for all or one for each"
            )
        values = np.array([value for value, _ in given]) * np.where(
            [is_share for _, is_share in given], self.spread, 1.0
        )
        return torch.from_numpy(np.hypot(values, self.rounding))

    def _refuse_constants(self, samples: Sequence[Array]) -> None:
        largest = np.max([np.abs(sample).max((1, 2)) for sample in samples], axis=0)
        limits = CONSTANT_IN_ROUNDINGS * self.rounding + ROUND_OFF * largest
        for field, spread, limit in zip(self.series.fields, self.spread, limits, strict=True):
            if spread <= limit:
                raise DataError(
                    f"{field.where} is constant in space, which says nothing about the wind; "
                    "leave it out, or name the tracers with --tracer"
                )

    def _warn_of_unresolved(self, samples: Sequence[Array]) -> None:
        """Say so where a tracer has scales that the truncation does not take in."""
        for number, field in enumerate(self.series.fields):
            values = torch.from_numpy(np.stack([sample[number] for sample in samples]))
            lost = values - self.harmonics.to_nodal(self.harmonics.to_modal(values))
            share = _rms(_spreads(self.grid, lost.numpy())) / self.spread[number]
            if share > UNRESOLVED:
                LOG.warning(
                    "%s: %.2g %% of its standard deviation in space is beyond T%d and left out; "
                    "what the wind does to it counts as noise",
                    field.where, 100 * share, self.harmonics.truncation,
                )  # fmt: skip


def _check_components(series: TracerSeries, settings: WindSettings) -> None:
    one = len(series.names) == 1 and settings.window == 1
    if settings.components > 1 and one and settings.method == "pointwise":
        raise DataError(
            f"{series.source}: one tracer ('{series.names[0]}') determines the component of the "
            f"wind along its gradient only, not both; {MORE}"
        )


def _checked_form(series: TracerSeries, settings: WindSettings) -> str:
    form = str(_first_of(settings.form, series.made_with.get("form"), "advective"))
    if form == "flux" and settings.method == "pointwise":
        raise UsageError(
            f"{series.source}: in flux form the divergence of the wind counts as well, which no "
            "place has by itself; use --method global, or --form advective to leave it out"
        )
    return form


def _first_of(*values: Any) -> Any:
    """The first that is not None."""
    return next(value for value in values if value is not None)


def _checked_order(series: TracerSeries, settings: WindSettings) -> int:
    """Order of the difference in time that the record has enough times for."""
    window, count = settings.window, series.record_count
    order = settings.order or (DEFAULT_ORDER if count >= DEFAULT_ORDER + window else 2)
    if count >= order + window:
        return order
    raise DataError(
        f"{series.source}: variable '{series.names[0]}' has {count} time "
        f"step{'s' * (count != 1)}, a difference in time of order {order}"
        f"{f' in a window of {window}' * (window > 1)} needs {order + window}; give more times"
        f"{' or a lower --order' * (order > 2)}{' or a smaller --window' * (window > 1)}"
    )


def _grid_of(series: TracerSeries) -> Grid:
    field = series.fields[0]
    try:
        return Grid.from_coordinates(field.latitude, field.longitude)
    except DataError as error:
        raise DataError(f"{field.where}: {error}") from error


def _sampled(count: int) -> list[int]:
    """Records that stand for all: the first, the middle and the last."""
    return sorted({0, count // 2, count - 1})


def _spreads(grid: Grid, fields: Array) -> Array:
    """(n,) standard deviation over the area of fields (n, nlat, nlon)."""
    weights = grid.area_weights / grid.area_weights.sum()
    means = (fields * weights).sum((1, 2), keepdims=True)
    return np.asarray(np.sqrt((np.square(fields - means) * weights).sum((1, 2))))


def _rms(values: Any) -> Array:
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=0)))
