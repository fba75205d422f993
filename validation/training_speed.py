"""Cost of a training step of CO2-Net, beside that of the same network written plainly.

Both networks have the same weights, see the same batch and take the same step: forward pass, loss
of CO2 and of the wind, backward pass, AdamW. They take turns in one process, so that whatever else
the machine does falls on both, and the medians are compared. Memory is measured of each alone. The
batch is invented, of the shape that CarbonTracker gives, so that no file is needed.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from torch import nn

from co2net_phys.batch import Batch, Coordinates, Observations
from co2net_phys.config import TrainingConfig
from co2net_phys.cost import count_parameters, device_speed, forward_flops, reference_config
from co2net_phys.data.schema import CO2
from co2net_phys.devices import autocast, choose_device
from co2net_phys.errors import UsageError
from co2net_phys.losses import supervised_loss, wind_loss
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.optimisation import adamw
from co2net_phys.validation.plain_co2net import PlainCO2Net, plain_copy

Size = Literal["XS", "S", "B", "L"]
Precision = Literal["bf16", "fp32"]

STATIONS = 72
WARM_UP = 2
"""Steps of each network that are not timed; the first one compiles."""

TIMES_FORWARD = 3
"""Arithmetic of a training step over that of a forward pass."""


@dataclass(frozen=True)
class TrainingSpeed:
    """What a training step costs; `reference` is the plain network."""

    size: str
    batch: int
    precision: str
    device: str
    threads: int
    compiled: bool
    """Whether ours was compiled; the reference never is."""
    steps: int
    """Timed steps of each."""
    parameters: int
    flops_per_sample: int
    """Of the matrix products of a training step (of a step of ours; the reference has the same)."""
    ms_per_step: float
    """Median."""
    samples_per_second: float
    peak_memory_bytes: int | None
    """Most that weights, optimiser and a step take; None if this system does not say."""
    device_flops: float
    """Operations a second of matrix products that this device is capable of."""
    device_flops_from: str
    """`specification` (dense, of the maker), or `measured` with a product of two matrices."""
    mfu: float
    """Share of `device_flops` that is used (model FLOPs utilisation)."""
    reference_ms_per_step: float | None = None
    reference_samples_per_second: float | None = None
    reference_peak_memory_bytes: int | None = None
    speedup: float | None = None
    """Time of a step of the reference over ours."""
    memory_ratio: float | None = None
    """Peak memory of ours over that of the reference."""
    difference: float | None = None
    """Largest difference of the CO2 fields in fp32 before training, in spreads of the data."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_training(
    size: Size = "S",
    *,
    batch: int = 4,
    steps: int = 5,
    precision: Precision = "bf16",
    device: str = "auto",
    compiled: bool = False,
    reference: bool = True,
) -> TrainingSpeed:
    """Time training steps and measure their memory.

    Args:
        size: of the network.
        batch: windows in a step.
        steps: timed steps of each network.
        precision: of the forward and backward pass, by autocast.
        device: "auto", "cpu", "cuda".
        compiled: compile ours first.
        reference: measure the plain network too.

    Raises:
        UsageError: no such device here, or fewer than one window or step.
    """
    if batch < 1 or steps < 1:
        raise UsageError(f"batch and steps must be at least 1, got {batch} and {steps}")
    where, config = choose_device(device), reference_config(size)
    peaks = {
        name: _peak_memory(name, config, batch, precision, where, compiled and name == "ours")
        for name in (("ours", "reference") if reference else ("ours",))
    }
    torch.manual_seed(0)
    ours, windows = CO2Net(config).to(where), synthetic_batch(config, batch, where)
    networks: dict[str, nn.Module] = {"ours": ours}
    difference = None
    if reference:
        networks["reference"] = plain = plain_copy(ours)
        difference = _difference(ours, plain, windows)
    if compiled:
        ours.compile()
    seconds = _alternating(networks, windows, config, precision, steps)
    flops = TIMES_FORWARD * forward_flops(config)
    speed, source = device_speed(where, precision)
    time_of, theirs = seconds["ours"], seconds.get("reference")
    return TrainingSpeed(
        size=size, batch=batch, precision=precision, device=_device_name(where),
        threads=torch.get_num_threads(), compiled=compiled, steps=steps,
        parameters=count_parameters(ours), flops_per_sample=flops,
        ms_per_step=1e3 * time_of, samples_per_second=batch / time_of,
        peak_memory_bytes=peaks["ours"], device_flops=speed, device_flops_from=source,
        mfu=flops * batch / time_of / speed,
        reference_ms_per_step=None if theirs is None else 1e3 * theirs,
        reference_samples_per_second=None if theirs is None else batch / theirs,
        reference_peak_memory_bytes=peaks.get("reference"),
        speedup=None if theirs is None else theirs / time_of,
        memory_ratio=_ratio(peaks["ours"], peaks.get("reference")), difference=difference,
    )  # fmt: skip


def synthetic_batch(config: CO2NetConfig, size: int, device: torch.device) -> Batch:
    """Windows of noise with the shapes, units and spreads of real ones, and station sites."""
    generator = torch.Generator().manual_seed(0)
    height, width = config.grid

    def noise(name: str, *shape: int) -> torch.Tensor:
        mean, spread = config.statistics[name]
        return mean + spread * torch.randn(size, *shape, generator=generator)

    fields = {
        name: noise(name, 1 if name == "oro" else config.frames, *config.grid)
        for name in config.auxiliaries
    }
    north, east = torch.rand(2, STATIONS, generator=generator)
    elapsed = torch.arange(config.frames) * config.frame_spacing_s  # (T,)
    elapsed = elapsed.expand(size, -1).contiguous()  # (B, T)
    batch = Batch(
        {**fields, CO2: noise(CO2, 1, *config.grid)},
        Observations(noise(CO2, config.frames, STATIONS), 180 * north - 90, 360 * east - 180),
        Coordinates(
            torch.linspace(-90 + 90 / height, 90 - 90 / height, height),
            torch.linspace(-180 + 180 / width, 180 - 180 / width, width),
            elapsed, elapsed / 86400 % 1, elapsed / (365 * 86400) % 1,
        ),
    )  # fmt: skip
    return batch.to(device)


class Step:
    """One training step of `network`, again and again.

    AdamW is that of the training engine; the plain network has PyTorch's as it comes.
    """

    def __init__(self, network: nn.Module, config: CO2NetConfig, precision: Precision) -> None:
        self.network, self.config, self.precision = network.train(), config, precision
        self.device = next(network.parameters()).device
        self.training = TrainingConfig(size=config.size, precision=precision)
        self.optimiser: torch.optim.Optimizer
        if isinstance(network, PlainCO2Net):
            self.optimiser = torch.optim.AdamW(network.parameters())
        else:
            self.optimiser = adamw(network, self.training)

    def __call__(self, batch: Batch) -> None:
        """Forward, losses, backward, AdamW."""
        with autocast(self.device, self.precision):
            output = self.network(batch)
        statistics = self.config.statistics
        prediction = output.fields[CO2].float()
        loss = supervised_loss(prediction, batch.fields[CO2], statistics[CO2][1])
        loss = loss + self.training.wind_weight * wind_loss(output, batch, statistics)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


def _alternating(
    networks: dict[str, nn.Module],
    batch: Batch,
    config: CO2NetConfig,
    precision: Precision,
    steps: int,
) -> dict[str, float]:
    """Median seconds of a step of each network."""
    runs = {name: Step(network, config, precision) for name, network in networks.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(WARM_UP + steps):
        for name, step in runs.items():
            _finish(step.device)
            started = time.perf_counter()
            step(batch)
            _finish(step.device)
            taken[name].append(time.perf_counter() - started)
    return {name: median(times[WARM_UP:]) for name, times in taken.items()}


@torch.no_grad()
def _difference(ours: CO2Net, plain: PlainCO2Net, batch: Batch) -> float:
    fields = [network.eval()(batch).fields[CO2] for network in (ours, plain)]
    return float((fields[0] - fields[1]).abs().max()) / ours.scale


def _peak_memory(
    name: str,
    config: CO2NetConfig,
    batch: int,
    precision: Precision,
    device: torch.device,
    compiled: bool,
) -> int | None:
    """Most memory in bytes that training the network called `name` takes beyond its batch."""
    if device.type == "cuda":
        return _steps_on_gpu(name, config, batch, precision, device, compiled)
    if not Path("/proc/self/status").is_file():
        return None
    arguments = [name, config.size, batch, precision, compiled, torch.get_num_threads()]
    code = f"from {__name__} import report_peak; report_peak(*{arguments!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    return int(json.loads(done.stdout.splitlines()[-1]))


def report_peak(
    name: str, size: Size, batch: int, precision: Precision, compiled: bool, threads: int
) -> None:
    """Print how much the memory of this fresh process grows at most by training, in bytes.

    The process must be its own: memory that an earlier network has given back is not always
    returned to the system.
    """
    torch.set_num_threads(threads)
    config, device = reference_config(size), torch.device("cpu")
    windows = synthetic_batch(config, batch, device)
    before = _status_bytes("VmRSS")
    _few_steps(name, config, windows, precision, compiled)
    print(_status_bytes("VmHWM") - before)


def _steps_on_gpu(
    name: str,
    config: CO2NetConfig,
    batch: int,
    precision: Precision,
    device: torch.device,
    compiled: bool,
) -> int:
    windows = synthetic_batch(config, batch, device)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    _few_steps(name, config, windows, precision, compiled)
    return torch.cuda.max_memory_allocated(device) - before


def _few_steps(
    name: str, config: CO2NetConfig, batch: Batch, precision: Precision, compiled: bool
) -> None:
    network = CO2Net(config) if name == "ours" else PlainCO2Net(config)
    network.to(batch.coordinates.latitude.device)
    if compiled:
        network.compile()
    step = Step(network, config, precision)
    for _ in range(WARM_UP):
        step(batch)


def _status_bytes(field: str) -> int:
    """Resident memory of this process now ("VmRSS") or at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = (line for line in lines if line.startswith(f"{field}:"))
    return 1024 * int(found.split()[1])


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _ratio(ours: int | None, theirs: int | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs
