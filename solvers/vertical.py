"""Columns of air: diffusion, convection and vertical advection of a mixing ratio between layers.

A column is a stack of layers, from the ground up, along the first axis of every array; further axes
are columns that do not know of each other. Layer k holds the air mass m_k (kg m⁻²) and the mixing
ratio q_k (kg kg⁻¹), so that its tracer is m_k q_k. Interface k lies on top of layer k; nothing
passes the last one. Every operator keeps Σ m_k q_k, less what it says to have deposited, keeps a
mixing ratio that is the same in all layers, and leaves a positive one positive.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Mixed(NamedTuple):
    """Columns after an operator, and what has left them."""

    ratio: Array
    """(layers, ...), kg kg⁻¹."""
    deposited: Array
    """(...), kg m⁻² over the interval."""


def diffuse(
    ratio: Array,
    air: Array,
    exchange: Array,
    interval: float,
    *,
    emission: ArrayLike = 0.0,
    conductance: ArrayLike = 0.0,
) -> Mixed:
    """Mix neighbouring layers, emit at the ground and deposit there, in one implicit step.

        m_k dq_k/dt = X_k (q_{k+1} − q_k) − X_{k−1} (q_k − q_{k−1}) + δ_{k0} (e − c q_0)

    by the backward Euler rule: order 1 in time, stable and positive with any interval, as its
    matrix is an M-matrix. With X = ρK/Δz this is ∂q/∂t = (1/ρ) ∂_z(ρK ∂_z q), order 2 in space.

    Args:
        ratio: q, (layers, ...), kg kg⁻¹.
        air: m, (layers, ...), kg m⁻².
        exchange: X on top of each layer, (layers, ...), kg m⁻² s⁻¹; the last one is not used.
        interval: s.
        emission: e into the lowest layer, (...), kg m⁻² s⁻¹.
        conductance: c = ρ times the deposition velocity, (...), kg m⁻² s⁻¹.
    """
    ratio, air, exchange = np.broadcast_arrays(ratio, air, exchange)
    top = len(ratio) - 1
    passed = interval * exchange
    # Forward elimination (Thomas 1949): row k becomes q_k = gain_k + carry_k q_{k+1}.
    gain, carry = np.empty(ratio.shape), np.zeros(ratio.shape)
    for k in range(top + 1):
        below = passed[k - 1] if k else interval * np.asarray(conductance)
        above = passed[k] if k < top else np.zeros_like(ratio[0])
        held = air[k] * ratio[k]
        held = held + (below * gain[k - 1] if k else interval * np.asarray(emission))
        pivot = air[k] + above + below * ((1.0 - carry[k - 1]) if k else 1.0)
        gain[k], carry[k] = held / pivot, above / pivot
    mixed = gain
    for k in range(top - 1, -1, -1):
        mixed[k] += carry[k] * mixed[k + 1]
    return Mixed(mixed, interval * np.asarray(conductance) * mixed[0])


def convect(
    ratio: Array,
    air: Array,
    updraught: Array,
    entrainment: Array,
    interval: float,
    washout: ArrayLike = 0.0,
) -> Mixed:
    """Lift air in an updraught, detrain it aloft, and let the air around sink as much.

    With M the updraught's mass flux on top of a layer, E and D = M_{k−1} + E_k − M_k what it
    entrains and detrains there, S what rain takes out of it, and u its mixing ratio,

        (M_k + D_k + S_k) u_k = M_{k−1} u_{k−1} + E_k q_k
        m_k dq_k/dt = D_k u_k − E_k q_k + M_k q_{k+1} − M_{k−1} q_k,

    the bulk scheme of Tiedtke (1989), doi:10.1175/1520-0493(1989)117<1779:ACMFSF>2.0.CO;2, the
    sinking air taken upwind. The step is the backward Euler rule, whose matrix is an M-matrix; the
    updraught is in balance at every moment. Order 1 in time and in the layers' thickness.

    Args:
        ratio: q, (layers, ...), kg kg⁻¹.
        air: m, (layers, ...), kg m⁻².
        updraught: M ≥ 0, (layers, ...), kg m⁻² s⁻¹; taken as zero on top of the last layer.
        entrainment: E ≥ 0, likewise; so large that D ≥ 0.
        interval: s.
        washout: S ≥ 0, likewise: the share S/(M + D + S) of the tracer in the updraught rains out.

    Raises:
        ValueError: a mass flux is negative, or more leaves an updraught than it holds.
    """
    ratio, air, updraught, entrainment, washout = np.broadcast_arrays(
        ratio, air, updraught, entrainment, washout
    )
    lift = updraught.copy()
    lift[-1] = 0.0
    arriving = np.concatenate([np.zeros_like(lift[:1]), lift[:-1]])
    inside = arriving + entrainment
    detrained = inside - lift
    if min(lift.min(), entrainment.min(), washout.min()) < 0.0:
        raise ValueError("mass fluxes of convection must not be negative")
    if np.any(detrained < -1e-12 * inside.max()):
        raise ValueError("an updraught must not grow by more than it entrains")
    detrained = np.maximum(detrained, 0.0)
    # q_k = gain_k + carry_k q_{k+1} and u_k = lofted_k + share_k q_{k+1}, from the ground up.
    gain, carry, lofted, share = (np.zeros(ratio.shape) for _ in range(4))
    for k in range(len(ratio)):
        total = inside[k] + washout[k]
        dilution = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.0)
        free = dilution * arriving[k] * lofted[k - 1]
        bound = dilution * (arriving[k] * share[k - 1] + entrainment[k])
        pivot = air[k] / interval + inside[k] - detrained[k] * bound
        gain[k] = (air[k] / interval * ratio[k] + detrained[k] * free) / pivot
        carry[k] = lift[k] / pivot
        lofted[k], share[k] = free + bound * gain[k], bound * carry[k]
    for k in range(len(ratio) - 2, -1, -1):
        lofted[k] += share[k] * gain[k + 1]
        gain[k] += carry[k] * gain[k + 1]
    return Mixed(gain, interval * (washout * lofted).sum(axis=0))


def redistribute(ratio: Array, air: Array, target: Array) -> Array:
    """Move air through the interfaces until the layers hold ``target``, the tracer with it.

    What passes interface k is W_k = Σ_{j≤k} (m_j − target_j), upwards if positive. It takes its
    mixing ratio from a straight line in the layer that it leaves, with the slope of van Leer
    (1977), doi:10.1016/0021-9991(77)90095-X: order 2 where the profile is smooth, no new extremes.
    Should an interface pass more than a layer holds, it does so in several steps.

    Args:
        ratio: q, (layers, ...), kg kg⁻¹.
        air: m > 0, (layers, ...), kg m⁻².
        target: > 0, likewise, with the same sum over the layers.

    Returns:
        The mixing ratio of the layers that hold ``target``.
    """
    risen = np.cumsum(air - target, axis=0)[:-1]
    smallest = np.minimum(air, target)
    leaving = np.maximum(risen / smallest[:-1], -risen / smallest[1:])
    steps = max(1, int(np.ceil(2.0 * leaving.max(initial=0.0))))
    for number in range(steps):
        before = air + (target - air) * (number / steps)
        after = air + (target - air) * ((number + 1) / steps)
        ratio = _passed(ratio, before, after, risen / steps)
    return ratio


def _passed(ratio: Array, air: Array, target: Array, risen: Array) -> Array:
    """One step of :func:`redistribute`, in which no layer loses more than it holds."""
    slope = _van_leer_slope(ratio)
    up, down = np.maximum(risen, 0.0), np.maximum(-risen, 0.0)
    from_below = ratio[:-1] + 0.5 * slope[:-1] * (1.0 - up / air[:-1])
    from_above = ratio[1:] - 0.5 * slope[1:] * (1.0 - down / air[1:])
    flux = up * from_below - down * from_above
    tracer = air * ratio
    tracer[:-1] -= flux
    tracer[1:] += flux
    return np.asarray(tracer / target)


def _van_leer_slope(ratio: Array) -> Array:
    """Harmonic mean of the differences to both neighbours; zero at extremes and at both ends."""
    slope = np.zeros(ratio.shape)
    step = np.diff(ratio, axis=0)
    product = step[1:] * step[:-1]
    monotone = product > 0.0
    total = np.where(monotone, step[1:] + step[:-1], 1.0)
    slope[1:-1] = np.where(monotone, 2.0 * product / total, 0.0)
    return slope
