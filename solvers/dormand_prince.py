"""The explicit Runge–Kutta scheme of order 8 by Dormand and Prince, with an error estimate.

Where it pays: smooth right-hand sides and many digits, as along the paths of parcels in a wind.
Coefficients are those of :class:`scipy.integrate.DOP853`. Reference: Hairer, Nørsett and Wanner
(1993), doi:10.1007/978-3-540-78862-1, section II.5 and II.10.
"""

from typing import NamedTuple

import torch
from scipy.integrate import DOP853
from torch import Tensor


class ExplicitScheme(NamedTuple):
    """Stages at t + c_i h with slopes k_i = f(y + h Σ_j a_ij k_j), then y + h Σ_i b_i k_i."""

    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]


DORMAND_PRINCE_8 = ExplicitScheme(
    tuple(DOP853.C.tolist()),
    tuple(tuple(row[:i].tolist()) for i, row in enumerate(DOP853.A)),
    tuple(DOP853.B.tolist()),
)
"""Twelve stages, order 8."""


def estimated_error(slopes: list[Tensor], step: float) -> float:
    """Largest error, over all points, of one step of ``DORMAND_PRINCE_8``.

    h |e₅|² / √(|e₅|² + |e₃|²/100), with e₅ and e₃ the differences to embedded schemes of order 5
    and 3: behaves like h⁸, one order below the scheme. Zero at points that do not move.

    Args:
        slopes: of the stages, each (components, n), per s.
        step: h > 0, s.
    """
    stacked = torch.stack(slopes)
    size = len(slopes)  # the weight of a thirteenth slope, at the end of the step, is zero
    fifth, third = (
        torch.tensordot(torch.from_numpy(weights[:size]).to(stacked), stacked, 1).norm(dim=0)
        for weights in (DOP853.E5, DOP853.E3)
    )
    scale = torch.hypot(fifth, 0.1 * third).clamp(min=torch.finfo(stacked.dtype).tiny)
    return float((step * fifth * (fifth / scale)).max())
