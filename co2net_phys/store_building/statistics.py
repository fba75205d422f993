"""Means and standard deviations gathered frame by frame, so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.schema import CO2
from co2net_phys.errors import DataError

STATISTICS_ATTRIBUTE = "co2phys_statistics"
"""Global attribute of a store: mean and standard deviation of the training frames, as JSON."""


class UnfitValuesError(DataError):
    """Values that no further run can do anything with: going on would fail again."""


class RunningMoments:
    """Count, mean and sum of squared deviations of each variable.

    Frames are merged by the formula of Chan, Golub and LeVeque (1983,
    doi:10.1080/00031305.1983.10483115), which does not lose digits where the mean is large. Missing
    values are passed over. The same numbers as `co2net_phys.data.statistics.field_statistics`.

    Parameters
    ----------
    names
        Of the variables.
    state
        (variables, 3) float64, what `state` gave before an interruption.
    """

    def __init__(self, names: Sequence[str], state: NDArray[np.float64] | None = None) -> None:
        self._rows = {name: row for row, name in enumerate(names)}
        self._state = np.zeros((len(names), 3)) if state is None else state.copy()

    @property
    def state(self) -> NDArray[np.float64]:
        """(variables, 3) count, mean, sum of squared deviations; a copy."""
        return self._state.copy()

    def add(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Take the values of one frame, of any shape and in the unit of the variable."""
        for name, row in self._rows.items():
            if name not in values:
                continue
            known = np.asarray(values[name], dtype=np.float64).ravel()
            known = known[np.isfinite(known)]
            if known.size:
                self._merge(row, known)

    def _merge(self, row: int, known: NDArray[np.float64]) -> None:
        count, mean, square = self._state[row]
        new = known.mean()
        total, apart = count + known.size, new - mean
        square += np.square(known - new).sum() + apart**2 * count * known.size / total
        self._state[row] = total, mean + apart * known.size / total, square

    def result(self, where: str) -> dict[str, list[float]]:
        """Mean and standard deviation of each variable.

        Raises
        ------
        UnfitValuesError
            A variable has no value in the training frames, or does not vary.
        """
        found = {}
        for name, row in self._rows.items():
            count, mean, square = self._state[row]
            deviation = float(np.sqrt(square / count)) if count else 0.0
            if not deviation > 0:
                what = "does not vary" if count else "has no value"
                mend = "give other files" if name == CO2 else "leave it out with --variables"
                raise UnfitValuesError(
                    f"{where}: variable {name!r} {what} in the training frames; {mend}, or choose "
                    "another --split"
                )
            found[name] = [float(mean), deviation]
        return found
