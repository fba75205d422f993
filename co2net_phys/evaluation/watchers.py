"""What is kept of maps while they pass: mean errors, spectra, and curves of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import UsageError
from co2net_phys.metrics import Event, event_curve, event_scores, zonal_spectrum

Floats = NDArray[np.floating[Any]]


class ErrorMaps:
    """Mean error and root-mean-square error (H, W) over the times whose truth is known."""

    def __init__(self, shape: tuple[int, int]):
        self._sum, self._square, self._count = (np.zeros(shape) for _ in range(3))

    def add(self, prediction: Floats, truth: Floats) -> None:
        """Take maps (n, H, W)."""
        error = prediction - truth
        known = ~np.isnan(truth)
        self._sum += np.where(known, error, 0.0).sum(axis=0)
        self._square += np.where(known, error**2, 0.0).sum(axis=0)
        self._count += known.sum(axis=0)

    @property
    def bias(self) -> Floats:
        """Mean of prediction minus truth."""
        return self._sum / self._times

    @property
    def rmse(self) -> Floats:
        """Root of the mean squared error."""
        return np.sqrt(self._square / self._times)

    @property
    def _times(self) -> Floats:
        return np.where(self._count > 0, self._count, np.nan)


class Spectra:
    """Mean zonal spectra of prediction and truth over the times when both are known everywhere."""

    def __init__(self, latitude: NDArray[Any]):
        self._latitude = latitude
        self._power: list[Floats] = []
        self._counts: list[int] = []

    def add(self, prediction: Floats, truth: Floats) -> None:
        """Take maps (n, H, W)."""
        whole = np.isfinite(prediction - truth).all(axis=(1, 2))
        if whole.any():
            spectra = [zonal_spectrum(f[whole], self._latitude) for f in (prediction, truth)]
            self._power.append(np.stack([spectrum.power for spectrum in spectra]))
            self._counts.append(int(whole.sum()))

    @property
    def mean(self) -> dict[str, list[float]]:
        """ "wavenumber" from 1, and the power of "prediction" and "truth"; {} without maps."""
        if not self._power:
            return {}
        predicted, true = np.average(self._power, axis=0, weights=self._counts)[:, 1:]
        wavenumber = np.arange(1, predicted.size + 1)
        named = {"wavenumber": wavenumber, "prediction": predicted, "truth": true}
        return {name: values.tolist() for name, values in named.items()}


class EventCurves:
    """Means of prediction and truth over the box of an event at its times.

    Args:
        events: boxes and periods.
        times: (N,) datetime64 or cftime of all maps to come.
        latitude, longitude: of the maps, degrees.

    Raises
    ------
    UsageError
        A box holds no cell.
    """

    def __init__(
        self,
        events: Sequence[Event],
        times: NDArray[Any],
        latitude: NDArray[Any],
        longitude: NDArray[Any],
    ):
        self._events, self._times, self._axes = events, times, (latitude, longitude)
        self._frames = [set(event.frames(times).tolist()) for event in events]
        self._curves: list[list[Floats]] = [[] for _ in events]
        self._done = 0
        for event in events:
            event_curve(np.zeros((1, len(latitude), len(longitude))), *self._axes, event)

    def add(self, prediction: Floats, truth: Floats) -> None:
        """Take maps (n, H, W)."""
        numbers = range(self._done, self._done + len(truth))
        self._done += len(truth)
        for event, frames, curves in zip(self._events, self._frames, self._curves, strict=True):
            own = [number - numbers.start for number in numbers if number in frames]
            if own:
                known = ~np.isnan(truth[own])
                both = [event_curve(f[own], *self._axes, event, known) for f in (prediction, truth)]
                curves.append(np.stack(both))

    def found(self) -> dict[str, dict[str, Any]]:
        """By name of the event: "times", the curves "prediction" and "truth", and their "scores".

        Raises
        ------
        UsageError
            An event has no time in common with the maps.
        """
        result = {}
        for event, frames, curves in zip(self._events, self._frames, self._curves, strict=True):
            if not curves:
                raise UsageError(
                    f"--event {event.name}: {event.first} to {event.last} is not among the times "
                    "compared; give other dates, or leave the event out"
                )
            predicted, true = np.concatenate(curves, axis=1)
            result[event.name] = {
                "times": self._times[sorted(frames)],
                "prediction": predicted,
                "truth": true,
                "scores": event_scores(predicted, true),
            }
        return result
