"""Which device and precision a run uses."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from co2net_phys.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Return the device called `name` ("auto" takes a GPU where there is one).

    Raises
    ------
    UsageError
        The device does not exist on this machine, or lacks the float64 that first guesses need
        (Apple's MPS).
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device, dtype=torch.float64)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UsageError(f"--device {name}: not available here; use auto or cpu") from error
    return device


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision for the forward pass: "bf16" or "fp32"."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
