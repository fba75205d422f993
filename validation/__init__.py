"""What the theorems of the CO2-Net paper say, checked against the solver.

Each check takes no argument and returns a ``Finding``; ``CHECKS`` lists them all.
"""

from co2net_phys.validation.finding import Finding
from co2net_phys.validation.harmonic_series import (
    closed_form,
    corrected_series,
    global_mean_is_needed,
    printed_form,
    printed_series,
    rotation_follows_the_wind,
)
from co2net_phys.validation.superposition import (
    balanced_source,
    net_source,
    net_source_drift,
    steady_solution,
    superposition,
)

CHECKS = (
    superposition,
    balanced_source,
    net_source,
    net_source_drift,
    corrected_series,
    printed_series,
    global_mean_is_needed,
    rotation_follows_the_wind,
)
"""Every check, in the order of the paper."""

__all__ = [
    "CHECKS",
    "Finding",
    "balanced_source",
    "closed_form",
    "corrected_series",
    "global_mean_is_needed",
    "net_source",
    "net_source_drift",
    "printed_form",
    "printed_series",
    "rotation_follows_the_wind",
    "steady_solution",
    "superposition",
]
