"""The terms that flux models minimise (sections 3.5 and 3.6 of Upton et al. 2024,
doi:10.5194/acp-24-2555-2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

UNIT_RANGE = 1.0
"""Pg of carbon a month: the "1" of equation 7, which adds a number to a range."""

SPEED = 10.0
"""Times that log σ² moves faster than other weights. A step of Adam has the size of the learning
rate whatever the gradient; at 0.003 it would take a thousand steps to weigh a term of 0.05."""


def tower_loss(nee: Tensor, observed: Tensor) -> Tensor:
    """Equation 4: mean square of differences (n,) in g m-2 d-1, over (1 g m-2 d-1)²."""
    return torch.mean((nee - observed) ** 2)


def ensemble_distance(estimate: Tensor, inversions: Tensor) -> Tensor:
    """Equation 6: ℓ3 distance (...) of estimates (...) from A inversions (A, ...), their unit.

    As printed, the cube root of a mean of signed cubes could be negative or cancel to nothing
    between inversions that disagree; a norm has absolute values, and so has this.
    """
    differences = inversions - estimate
    return torch.linalg.vector_norm(differences, ord=3, dim=0) / len(inversions) ** (1 / 3)


def regional_loss(
    estimate: Tensor, inversions: Tensor, land_area: Tensor, unit_range: float = UNIT_RANGE
) -> Tensor:
    """Equations 6 to 8: mean over months, and over regions by area, of normalised distances.

    Parameters
    ----------
    estimate
        Monthly totals (M, R), Pg.
    inversions
        The same by A inversions, (A, M, R), Pg.
    land_area
        (R,) of the regions, in any unit.
    unit_range
        Range of the inversions, Pg, at which a month counts half of one on which they agree.
    """
    spread = inversions.amax(0) - inversions.amin(0)
    monthly = ensemble_distance(estimate, inversions) / (unit_range + spread)
    by_region = monthly.mean(0)
    return (by_region * land_area).sum() / land_area.sum()


def station_loss(modelled: Tensor, observed: Tensor, error: Tensor) -> Tensor:
    """Mean square of (modelled − observed)/error where there is an observation, not NaN.

    All of one shape, µmol mol-1; the error is that of observation and representation together.
    """
    given = torch.isfinite(observed)
    misfit = torch.where(given, (modelled - observed.nan_to_num()) / error, 0.0)
    return (misfit**2).sum() / given.sum().clamp(min=1)


class UncertaintyWeighting(nn.Module):
    """Equations 9 to 11: Σ ℓ/2σ² + log σ with a variance σ² learned for each term.

    Kendall, Gal & Cipolla (2018, doi:10.1109/CVPR.2018.00781). What is learned is log σ² over
    `SPEED`, zero at the start, so that σ² stays positive. A single term is returned as it is: there
    is nothing to weigh it against.

    Parameters
    ----------
    names
        Of the terms.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        learned = self.names if len(self.names) > 1 else ()
        self.uncertainty = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(())) for name in learned}
        )

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return what is minimised, of the terms called `names`."""
        if not len(self.uncertainty):
            return terms[self.names[0]]
        parts = []
        for name in self.names:
            logarithm = SPEED * self.uncertainty[name]
            parts.append(0.5 * (terms[name] * torch.exp(-logarithm) + logarithm))
        return torch.stack(parts).sum()
