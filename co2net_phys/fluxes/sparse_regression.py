"""Lasso regression whose penalty is relaxed until it is good enough.

Section 3.4 and equation 2 of Upton et al. (2024, doi:10.5194/acp-24-2555-2024).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.errors import NumericalError
from co2net_phys.optional_libraries import optional_library

Array = NDArray[np.float64]

RELAXATION = 0.8
"""Factor from one penalty to the next."""

SMALLEST_ALPHA = 1e-7
"""Share of the penalty that makes all coefficients zero, below which there is none to speak of."""


@dataclass(frozen=True)
class SparseFit:
    """A linear model of few inputs."""

    coefficients: Array
    """(S,) in units of the target per unit of an input; many are zero."""
    intercept: float
    alpha: float
    training_r2: float
    test_r2: float


def relaxed_lasso(
    inputs: Array,
    target: Array,
    days: NDArray[np.datetime64],
    *,
    threshold: float,
    blocks: int,
) -> SparseFit:
    """Fit target (T,) by inputs (T, S) with the largest penalty whose R² reaches `threshold`.

    Both are divided by one number each, so that the penalty has no unit and all inputs are
    penalised alike. The test R² is of predictions for `blocks` consecutive parts of the time that
    `days` (T,) span, each from a fit to the others with the same penalty. A day that comes more
    than once, in records of several models, is left out of all of them together.

    Raises
    ------
    NumericalError
        The target does not vary, or no penalty reaches the threshold; says what was reached.
    """
    size, spread = max(float(inputs.std()), 1e-300), float(target.std())
    if not spread > 0:
        raise NumericalError("the sum does not vary")
    x, y = inputs / size, (target - target.mean()) / spread
    solver, reached = _Lasso(x, y), -np.inf
    alpha = solver.largest_alpha
    while alpha > SMALLEST_ALPHA * solver.largest_alpha:
        alpha *= RELAXATION
        coefficients, intercept = solver(alpha)
        reached = r_squared(y, x @ coefficients + intercept)
        if reached >= threshold:
            scale, offset = spread / size, float(target.mean() + spread * intercept)
            test = r_squared(y, _left_out(x, y, days, alpha, blocks))
            return SparseFit(scale * coefficients, offset, alpha, reached, test)
    raise NumericalError(f"R² reaches {reached:.3f} where {threshold:g} is asked for")


def r_squared(target: Array, predicted: Array) -> float:
    """1 − Σ(y − ŷ)²/Σ(y − ȳ)²."""
    return float(1 - np.sum((target - predicted) ** 2) / np.sum((target - target.mean()) ** 2))


class _Lasso:
    """Coefficients (S,) and intercept for one penalty after another, each begun at the last ones.

    The products of inputs (T, S) with one another are summed once.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self._means = x.mean(axis=0), float(y.mean())
        self._x, self._y = np.asfortranarray(x - self._means[0]), y - self._means[1]
        self.largest_alpha = float(np.abs(self._x.T @ self._y).max()) / len(y)
        self._model: Any = optional_library("sklearn.linear_model", "fluxes").Lasso(
            fit_intercept=False, precompute=self._x.T @ self._x, warm_start=True, max_iter=5000
        )
        self._warning = optional_library("sklearn.exceptions", "fluxes").ConvergenceWarning

    def __call__(self, alpha: float) -> tuple[Array, float]:
        self._model.set_params(alpha=alpha)
        with warnings.catch_warnings():  # its R² says whether the fit is good enough
            warnings.simplefilter("ignore", self._warning)
            coefficients = self._model.fit(self._x, self._y).coef_.copy()
        return coefficients, self._means[1] - float(self._means[0] @ coefficients)


def _left_out(x: Array, y: Array, days: NDArray[np.datetime64], alpha: float, blocks: int) -> Array:
    """Predictions (T,) for each block of days by a model of the others."""
    predicted = np.empty_like(y)
    for block in np.array_split(np.unique(days), blocks):
        inside = np.isin(days, block)
        coefficients, intercept = _Lasso(x[~inside], y[~inside])(alpha)
        predicted[inside] = x[inside] @ coefficients + intercept
    return predicted
