"""Notice that a run has gone wrong, and say when, where and why."""

import math

import torch
from torch import Tensor

from co2net_phys.errors import NumericalError
from co2net_phys.solvers.harmonics import SphericalHarmonics

WARM_UP_STEPS = 100
"""Steps whose states tell how large the tracer is: a source may build it up from nothing."""

GROWTH_LIMIT = 1e6
"""How many times larger it may become after that; transport itself does not amplify."""

SUSPICIOUS_GROWTH = 1e3
"""Growth after which a value that is not finite is blamed on the time step, not on the input."""


class BlowUpGuard:
    """Looks at each state of a run, modal or nodal, and stops the run if one is out of bounds.

    The size of a state is its largest nodal value or coefficient, real and imaginary parts apart.

    Args:
        time_step: s, for the messages.
        harmonics: names the place, of nodal states by the nodes of its grid; without it the
            messages have none.
    """

    def __init__(self, time_step: float, harmonics: SphericalHarmonics | None = None) -> None:
        self.time_step, self.harmonics = time_step, harmonics
        self._first = self._usual = self._latest = 0.0
        self._counted = 0
        self._state: Tensor | None = None

    def check(self, state: Tensor, step: int, time: float) -> None:
        """Judge the ``state`` that ``step`` steps led to, at ``time`` in s.

        Raises:
            NumericalError: a value is not finite, or more than ``GROWTH_LIMIT`` times larger than
                any during the first ``WARM_UP_STEPS`` steps that had something to carry.
        """
        state = state.detach()
        size = _size(state)
        if not math.isfinite(size):
            raise NumericalError(
                f"the tracer is not finite at {time:g} s (step {step}"
                f"{self._place_of_first(state)}): {self._cause()}"
            )
        if self._counted > WARM_UP_STEPS and size > GROWTH_LIMIT * self._usual:
            raise NumericalError(
                f"the tracer has blown up at {time:g} s (step {step}, largest near "
                f"{self._place(state) or 'an unknown place'}), {size / self._usual:.1e} times its "
                f"usual size: the time step of {self.time_step:g} s is unstable, reduce it"
            )
        if self._counted <= WARM_UP_STEPS and size > 0.0:
            self._first = self._first or size
            self._usual = max(size, self._usual)
            self._counted += 1
        self._latest, self._state = size, state

    def _cause(self) -> str:
        if self._state is None:
            return "look for missing values in the initial state"
        reduce = f"reduce the time step of {self.time_step:g} s"
        if self._latest > SUSPICIOUS_GROWTH * self._first > 0.0:
            return f"it grew {self._latest / self._first:.1e}-fold before, {reduce}"
        return (
            "it had not grown before, so look for missing values in the wind and the source at "
            f"that time; otherwise {reduce}"
        )

    def _place_of_first(self, state: Tensor) -> str:
        """Where the trouble is, as far as the states tell."""
        if not state.is_complex():
            place = self._place(torch.isfinite(state).logical_not().to(state.dtype))
            return f", first near {place}" if place else ""
        # A coefficient that is not finite is so everywhere; the state before has a largest value.
        place = "" if self._state is None else self._place(self._state)
        return f", largest just before near {place}" if place else ""

    def _place(self, state: Tensor) -> str:
        """Coordinates of the largest absolute value; empty if they are not known."""
        if self.harmonics is None:
            return ""
        nodal = self.harmonics.to_nodal(state) if state.is_complex() else state
        grid = self.harmonics.grid
        largest = nodal.abs().reshape(-1, *grid.shape).amax(0)
        row, column = divmod(int(largest.argmax()), grid.nlon)
        latitude, longitude = grid.latitude[row], grid.longitude[column]
        return f"{abs(latitude):.1f}°{'N' if latitude >= 0 else 'S'} {longitude % 360:.1f}°E"


def _size(state: Tensor) -> float:
    parts = torch.view_as_real(state.resolve_conj()) if state.is_complex() else state
    return float(parts.abs().amax())  # amax hands on what is not a number
