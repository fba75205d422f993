"""One call from modal or nodal fields to modal or nodal fields, on one thread or on several."""

from typing import Any

import numpy as np
from numba import njit, prange

from co2net_phys.solvers.fourier_stage import fourier_share
from co2net_phys.solvers.legendre_sums import legendre_share


@njit(cache=True, error_model="numpy")
def run(
    synthesis: int, action: int, analysis: int, fields: int, winds: int, modal: Any, u: Any,
    v: Any, result: Any, radius: float, legendre: Any, fourier: Any, source: Any, target: Any,
    work: Any, buffers: Any,
) -> None:  # fmt: skip
    """Synthesis of ``modal``, pass along longitude, analysis to ``result``.

    Args:
        synthesis: ``SCALAR`` or ``VECTOR`` or, to leave it out, zero.
        action: what the pass along longitude does, see ``fourier_stage``.
        analysis: like ``synthesis``.
        fields: number of them.
        winds: how many u and v there are.
        modal: flat reals; any array if there is no synthesis.
        u: nodal, flat.
        v: nodal, flat.
        result: flat reals; any array if there is no analysis.
        radius: of the sphere, m.
        legendre: a ``LegendrePlan``.
        fourier: a ``FourierPlan``.
        source: waves before the pass.
        target: waves after it.
        work: (threads, ``legendre_sums.scratch_size``).
        buffers: (threads, ``fourier_stage.scratch_size``).
    """
    if synthesis > 0:
        legendre_share(0, 1, False, synthesis, fields, modal, source, radius, legendre, work[0])
    fourier_share(0, 1, action, fields, winds, source, target, u, v, fourier, buffers[0])
    if analysis > 0:
        legendre_share(0, 1, True, analysis, fields, result, target, radius, legendre, work[0])


@njit(cache=True, parallel=True, error_model="numpy")
def run_threaded(
    synthesis: int, action: int, analysis: int, fields: int, winds: int, modal: Any, u: Any,
    v: Any, result: Any, radius: float, legendre: Any, fourier: Any, source: Any, target: Any,
    work: Any, buffers: Any,
) -> None:  # fmt: skip
    """Like :func:`run`, on as many threads as ``work`` and ``buffers`` have rows."""
    n = work.shape[0]
    # Numba counts prange in unsigned integers, for which all beneath would be compiled anew.
    if synthesis > 0:
        for t in prange(n):
            legendre_share(
                np.int64(t), n, False, synthesis, fields, modal, source, radius, legendre, work[t]
            )
    for t in prange(n):
        fourier_share(
            np.int64(t), n, action, fields, winds, source, target, u, v, fourier, buffers[t]
        )
    if analysis > 0:
        for t in prange(n):
            legendre_share(
                np.int64(t), n, True, analysis, fields, result, target, radius, legendre, work[t]
            )
