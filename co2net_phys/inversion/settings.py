"""Options of an inversion; times in seconds, lengths in metres, CO2 in µmol mol-1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from co2net_phys.errors import UsageError
from co2net_phys.validated import first_problem

Method = Literal["4dvar", "letkf"]
Layout = Literal["global", "regional", "gridded"]

FACTOR_ERRORS: Mapping[str, float] = {"fossil": 0.1, "biosphere": 0.3, "ocean": 0.5, "fires": 0.8}
"""Standard deviation of the factor of each invented component: inventories of fuels are good to a
tenth, burning is known within a factor of two."""

USUAL: Mapping[Method, Mapping[str, Any]] = {
    "4dvar": {"window": 8 * 86400.0, "members": 0, "factors": "regional"},
    "letkf": {"window": 86400.0, "members": 40, "factors": "gridded"},
}
"""What suits each method unless it is said otherwise."""

OTHER_FACTOR_ERROR = 0.5
"""Of components from a file."""


@dataclass(frozen=True)
class InversionSettings:
    """What is assumed, and how it is solved."""

    method: Method = "4dvar"
    truncation: int = 42
    """T of the transport."""
    window: float = 8 * 86400.0
    """Length of one assimilation window."""
    observation_window: float | None = None
    """LETKF: time whose observations each window looks at, from its start; None for the window."""
    iterations: int = 30
    """Most of the minimisation, in each window."""
    members: int = 0
    """4D-Var: perturbed inversions beside the best, for standard errors; LETKF: its ensemble."""
    first_guess: str = "uniform"
    """Field at the start: the stations' mean, or the name of a baseline."""
    exchange: bool = True
    """Whether the surface layer exchanges air with the free troposphere."""
    diffusivity: float = 1e5
    """D in m2 s-1."""
    factors: Layout = "regional"
    """How the factors of the fluxes vary in space."""
    factor_length: float = 1.5e6
    """Correlation length of gridded factors."""
    factor_errors: Mapping[str, float] = field(default_factory=dict)
    """Standard deviation of a component's factor, where not that of `FACTOR_ERRORS`."""
    factor_memory: float = 30 * 86400.0
    """Time in which a factor that nothing is known of goes back to its prior by e."""
    flux_period: float | None = None
    """Time for which one set of factors holds; None for a window."""
    prior: Mapping[str, float] = field(default_factory=dict)
    """Prior factor of a component, where not one."""
    ocean_error: float = 1.5
    """Standard deviation of the first guess over the sea."""
    land_error: float = 6.0
    """The same over land."""
    initial_length: float = 1.0e6
    """Correlation length of the first guess's error."""
    observation_error: float = 0.5
    """Smallest standard deviation of an observation about the model."""
    representation: float = 1.0
    """Share of a station's own variations within a day that is added to it."""
    error_memory: float = 86400.0
    """Time for which the error of one station lasts: reports within it count as one."""
    localisation: float = 6.0e6
    """LETKF: distance at which an observation has no weight left."""
    relaxation: float = 0.6
    """LETKF: share of the lost spread that is given back."""
    seed: int = 0

    def factor_error(self, component: str) -> float:
        """Standard deviation of a component's factor."""
        usual = FACTOR_ERRORS.get(component, OTHER_FACTOR_ERROR)
        return self.factor_errors.get(component, usual)

    def check(self, components: tuple[str, ...]) -> None:
        """Refuse options that contradict each other or name no component.

        Raises
        ------
        UsageError
        """
        named = (("--prior", self.prior), ("--factor-error", self.factor_errors))
        for option, values in named:
            unknown = sorted(set(values) - set(components))
            if unknown:
                raise UsageError(
                    f"{option}: no flux is called {unknown[0]!r}; choose from "
                    f"{', '.join(components)}"
                )
        if self.method == "letkf" and self.factors != "gridded":
            raise UsageError(
                f"--factors {self.factors} has no place to localise at; leave it out with letkf"
            )
        if self.observation_window is not None and self.observation_window < self.window:
            raise UsageError("--observation-window: shorter than --window; make it longer")
        if self.method == "4dvar" and self.observation_window is not None:
            raise UsageError("--observation-window has no effect with 4dvar; leave it out")
        if self.members == 1 or (self.method == "letkf" and self.members < 2):
            raise UsageError(f"--members {self.members}: a spread needs two or more")


def inversion_settings(options: Mapping[str, Any]) -> InversionSettings:
    """Settings from plain values by name; those that are left out are the usual ones of the method.

    Raises
    ------
    UsageError
        in one line naming a value that is of another kind or has no such name.
    """
    usual = USUAL.get(options.get("method", InversionSettings.method), {})
    try:
        return _READER.validate_python({**usual, **options})
    except ValidationError as error:
        known = [field.name for field in fields(InversionSettings)]
        raise UsageError(first_problem(error, known)) from error


_READER = TypeAdapter(with_config(ConfigDict(extra="forbid"))(InversionSettings))
