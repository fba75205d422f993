"""One call from modal or nodal fields to modal or nodal fields, on one thread or on several.

Numba keeps compiled functions on disk until their own file changes; whoever changes a kernel that
is called from here should delete ``__pycache__``.
"""

from typing import Any

import numpy as np
from numba import njit, prange

from co2net_phys.solvers.fourier_stage import fourier_share
from co2net_phys.solvers.legendre_sums import legendre_share

STAGES = 3
"""Synthesis, pass along longitude, analysis: each needs all of the one before."""


@njit(cache=True, error_model="numpy")
def _share(
    stage: int, t: Any, threads: Any, synthesis: int, action: int, analysis: int, fields: int,
    winds: int, modal: Any, u: Any, v: Any, result: Any, radius: float, legendre: Any,
    fourier: Any, source: Any, target: Any, work: Any, buffers: Any,
) -> None:  # fmt: skip
    """The share of thread ``t`` in one stage."""
    if stage == 1:
        fourier_share(t, threads, action, fields, winds, source, target, u, v, fourier, buffers[t])
        return
    analyse = stage > 1
    kind = analysis if analyse else synthesis
    if kind > 0:
        legendre_share(
            t, threads, analyse, kind, fields, result if analyse else modal,
            target if analyse else source, radius, legendre, work[t],
        )  # fmt: skip


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
    for stage in range(STAGES):
        _share(
            stage, np.int64(0), np.int64(1), synthesis, action, analysis, fields, winds, modal, u,
            v, result, radius, legendre, fourier, source, target, work, buffers,
        )  # fmt: skip


@njit(cache=True, parallel=True, error_model="numpy")
def run_threaded(
    synthesis: int, action: int, analysis: int, fields: int, winds: int, modal: Any, u: Any,
    v: Any, result: Any, radius: float, legendre: Any, fourier: Any, source: Any, target: Any,
    work: Any, buffers: Any,
) -> None:  # fmt: skip
    """Like :func:`run`, on as many threads as ``work`` and ``buffers`` have rows."""
    threads = work.shape[0]
    for stage in range(STAGES):
        for t in prange(threads):
            # Numba counts prange without a sign; all beneath would be compiled anew for that.
            _share(
                stage, np.int64(t), threads, synthesis, action, analysis, fields, winds, modal, u,
                v, result, radius, legendre, fourier, source, target, work, buffers,
            )  # fmt: skip
