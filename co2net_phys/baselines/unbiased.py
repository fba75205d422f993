"""Best linear unbiased prediction of fields from whichever stations report."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def bordered(covariance: Tensor) -> Tensor:
    """[A 1; 1ᵀ 0] (G+1, G+1) for a covariance matrix A (G, G) between reports."""
    system = nn.functional.pad(covariance, (0, 1, 0, 1), value=1.0)
    system[-1, -1] = 0.0
    return system


def reporting_systems(system: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (B, G+1, G+1) and right-hand sides (B, G+1) for values (B, G), NaN where missing.

    What is missing becomes a row of the identity, so that its dual value is zero; frames without
    any report have the identity for a matrix.
    """
    active = reporting(values).to(system)
    systems = system * active[:, :, None] * active[:, None, :] + torch.diag_embed(1.0 - active)
    right = torch.nan_to_num(values, nan=0.0)
    return systems, torch.cat([right, torch.zeros_like(right[:, :1])], dim=1)


def reporting(values: Tensor) -> Tensor:
    """Which rows of the bordered system count, (B, G+1), for values (B, G) with NaN."""
    reports = torch.isfinite(values)
    return torch.cat([reports, reports.any(dim=1, keepdim=True)], dim=1)


def dual_values(system: Tensor, values: Tensor) -> Tensor:
    """a and μ (B, G+1) that solve the dual system [A 1; 1ᵀ 0] [a; μ] = [z; 0].

    With covariances c(x) of a place with the reports, the prediction is c(x)·a + μ: the best
    linear one that is unbiased whatever the mean is (Cressie 1993, section 3.4.5). The system is
    solved once for all places. Frames without any report give zeros.
    """
    solution: Tensor = torch.linalg.solve(*reporting_systems(system, values))
    return solution
