"""What a file with a recovered wind holds: the wind, its errors, and where it is not determined."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from co2net_phys.data.output_layout import OutputVariable
from co2net_phys.solvers import RecoveredWind

_SPEED = {"units": "m s-1"}
_ANCILLARY = "uv_error_covariance determined_components condition_number"
_BEST = "the component of the wind that is best determined"


def wind_variables(level: str = "") -> dict[str, OutputVariable]:
    """Name and description of every variable, for `co2net_phys.data.writer.StreamingWriter`.

    Args:
        level: of the tracers, for example ``"level = 850 hPa"``.
    """
    at = f" at {level}" if level else ""
    described: Mapping[str, Mapping[str, Any]] = {
        **_components(at),
        "uv_error_covariance": {
            "long_name": "Covariance of the errors of eastward and northward wind",
            "units": "m2 s-2",
        },
        **_best_component(at),
        "determined_components": {
            "long_name": "Number of components of the wind that the tracers determine",
            # In the type of the variable, which CF asks for.
            "flag_values": np.array([0, 1, 2], np.int8),
            "flag_meanings": "none best_component_only both",
        },
        "condition_number": {
            "long_name": "Condition number of the weighted Gram matrix of the tracers' gradients, "
            "missing where it is infinite",
            "units": "1",
        },
    }
    variables = {name: OutputVariable(attributes) for name, attributes in described.items()}
    flag = variables["determined_components"]
    return variables | {"determined_components": replace(flag, dtype="int8")}


def _components(at: str) -> dict[str, dict[str, str]]:
    """Both components, where both are determined, and their standard errors."""
    described = {}
    for name, word in (("u", "eastward"), ("v", "northward")):
        described[name] = {
            "standard_name": f"{word}_wind",
            "long_name": f"{word.title()} wind{at} recovered from tracers, missing unless both "
            "components are determined",
            "ancillary_variables": f"{name}_standard_error {_ANCILLARY}",
            **_SPEED,
        }
    for name, word in (("u", "eastward"), ("v", "northward")):
        described[f"{name}_standard_error"] = {
            "standard_name": f"{word}_wind standard_error",
            "long_name": f"Standard error of the {word} wind",
            **_SPEED,
        }
    return described


def _best_component(at: str) -> dict[str, dict[str, str]]:
    """The wind along one direction, where it is determined at all."""
    return {
        "best_component": {
            "long_name": f"Wind{at} along the direction in which it is best determined; with one "
            "tracer that of its gradient",
            "ancillary_variables": "best_component_standard_error best_direction_eastward "
            "best_direction_northward determined_components",
            **_SPEED,
        },
        "best_component_standard_error": {
            "long_name": f"Standard error of {_BEST}",
            **_SPEED,
        },
        "best_direction_eastward": {
            "long_name": f"Eastward component of the unit vector along {_BEST}, not negative",
            "units": "1",
        },
        "best_direction_northward": {
            "long_name": f"Northward component of the unit vector along {_BEST}",
            "units": "1",
        },
    }


def wind_record(wind: RecoveredWind, place: int) -> dict[str, NDArray[Any]]:
    """Values of all variables at one instant of a recovered wind, each (latitude, longitude)."""
    components = wind.components[place].numpy()
    both, some = components == 2, components > 0
    vector = np.stack([wind.u[place].numpy(), wind.v[place].numpy()], axis=-1)
    covariance = wind.covariance[place].numpy()
    direction = wind.direction[place].numpy()
    direction = np.where(direction[..., :1] < 0, -direction, direction)  # either sign is as good
    along = np.einsum("ijab,ija,ijb->ij", covariance, direction, direction)
    condition = wind.condition[place].numpy()
    values = {
        "u": np.where(both, vector[..., 0], np.nan),
        "v": np.where(both, vector[..., 1], np.nan),
        "u_standard_error": np.where(both, _root(covariance[..., 0, 0]), np.nan),
        "v_standard_error": np.where(both, _root(covariance[..., 1, 1]), np.nan),
        "uv_error_covariance": np.where(both, covariance[..., 0, 1], np.nan),
        "best_component": np.where(some, (vector * direction).sum(-1), np.nan),
        "best_component_standard_error": np.where(some, _root(along), np.nan),
        "best_direction_eastward": np.where(some, direction[..., 0], np.nan),
        "best_direction_northward": np.where(some, direction[..., 1], np.nan),
        "determined_components": components,
        "condition_number": np.where(condition < LARGEST_CONDITION, condition, np.nan),
    }
    return values


LARGEST_CONDITION = 1e15
"""Condition numbers beyond it are round-off of infinity."""


def _root(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root; a variance below zero is round-off of zero."""
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))
