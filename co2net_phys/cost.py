"""What a network costs before it is run: parameters, arithmetic, memory."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from co2net_phys.architectures import ARCHITECTURES, architecture_of, make_network
from co2net_phys.counted_cost import TIMES_FORWARD, Work, counted_work
from co2net_phys.data.schema import AUXILIARIES, VARIABLES
from co2net_phys.devices import choose_device
from co2net_phys.model import CO2NetConfig
from co2net_phys.network_config import NetworkConfig
from co2net_phys.rivals.base import RivalConfig

if TYPE_CHECKING:
    from co2net_phys.config import TrainingConfig
    from co2net_phys.preparation import Prepared

BYTES_PER_LAYER_VALUE = 48
"""Bytes a transformer layer keeps for the backward pass, per token and unit of width, under 16-bit
autocast with a four times wider MLP and without the attention matrix, which fused attention does
not keep. As autograd counts it on a processor, where attention and the masks of dropout take twice
as much as on a GPU; with everything in 16 bits it would be 34 (Korthikanti et al. 2023, "Reducing
activation recomputation in large transformers")."""

EFFICIENCY = 0.2
"""Speed of a training step over that of a large matrix product; XS on two CPU cores in bf16."""

BYTES_PER_INPUT = 2
"""Bytes per input value that the tokenizers keep, in 16-bit arithmetic."""

BYTES_PER_PARAMETER = 18
"""Bytes that a weight, its gradient and its two moments in AdamW take in 32-bit arithmetic, with
the 16-bit copy of autocast."""

PAPER_PARAMETERS: Mapping[str, float] = MappingProxyType({"S": 38e6, "B": 95e6, "L": 247e6})
"""Parameters of the sizes of CO2-Net in the paper, which has no XS."""

SPECIFIED_SPEEDS: Mapping[str, float] = MappingProxyType(
    {
        "H100 PCIe": 756e12,
        "H100": 989e12,
        "H200": 989e12,
        "A100": 312e12,
    }
)
"""Dense bf16 operations a second of GPUs, from their makers' data sheets, by a part of the name;
the first that fits counts."""

HOW_IT_LEARNS = (
    "background", "learning_rate", "schedule", "warm_up", "weight_decay", "betas",
    "gradient_clip", "wind_weight",
)  # fmt: skip
"""Options that depend on the kind of network unless they are given."""

Dataset = Literal["carbontracker", "cmip6"]

DATASETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "carbontracker": {"frames": 8, "frame_spacing_s": 10800.0, "auxiliaries": AUXILIARIES},
        "cmip6": {
            "frames": 4,
            "frame_spacing_s": 30 * 86400.0,
            "auxiliaries": ("ps", "huss", "tas", "uas", "vas"),
        },
    }
)
"""Windows of the paper's two data sets: 24 hours of 3-hourly frames, and four months."""


def reference_config(size: str, dataset: Dataset = "carbontracker") -> CO2NetConfig:
    """Return the configuration of a size for one of the paper's data sets, without any data."""
    options: dict[str, Any] = {"size": size, **DATASETS[dataset]}
    return CO2NetConfig(statistics=dict.fromkeys(VARIABLES, (0.0, 1.0)), **options)


def describe_size(size: str, dataset: Dataset, batch: int) -> dict[str, Any]:
    """Return what CO2-Net of this size costs, starting from a first guess; see `described`."""
    found = described(reference_config(size, dataset), batch, background=True)
    return found | {"size": size, "paper_parameters": PAPER_PARAMETERS.get(size)}


def describe_rival(name: str, dataset: Dataset, batch: int) -> dict[str, Any]:
    """Return what the network called `name` costs in the paper's set-up; see `described`."""
    kind = ARCHITECTURES[name]
    options: dict[str, Any] = {**DATASETS[dataset]}
    config = kind.config(statistics=dict.fromkeys(VARIABLES, (0.0, 1.0)), **options)
    return described(config, batch, background=False) | {"paper_parameters": kind.paper_parameters}


def described(config: NetworkConfig, batch: int, *, background: bool) -> dict[str, Any]:
    """Return what a network costs; made without its weights.

    Returns
    -------
    dict
        "model", its name; "size", None if it has no sizes; "parameters"; "flops_per_sample" (of one
        forward pass, see `forward_flops`) and "memory_bytes" (estimate for training with `batch`
        windows in a step under bf16, see `training_memory`).
    """
    with torch.device("meta"):
        parameters = count_parameters(make_network(config, nn.Identity() if background else None))
    work = network_work(config, background=background)
    return {
        "model": architecture_of(config),
        "size": None,
        "parameters": parameters,
        "flops_per_sample": work.forward_flops,
        "memory_bytes": BYTES_PER_PARAMETER * parameters + batch * work.kept_bytes,
    }


def network_work(config: NetworkConfig, *, background: bool) -> Work:
    """Return the arithmetic of one window, and what a step takes for it under 16-bit autocast.

    By formulas for CO2-Net, counted for the others; half of what they keep in 32 bits.
    """
    if isinstance(config, CO2NetConfig):
        forward = _forward_flops(config, background)
        kept = activation_memory(config, 1, background=background) + _layer_memory(config)
        return Work(forward, TIMES_FORWARD * forward, kept)
    assert isinstance(config, RivalConfig)
    work = counted_work(config, background=background)
    return work._replace(kept_bytes=work.kept_bytes // 2)


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def forward_flops(config: NetworkConfig, *, background: bool = False) -> int:
    """Return the floating-point operations of the matrix products of one sample's forward pass.

    A product of (l, m) and (m, n) counts 2·l·m·n, attention both of its products; element-wise
    work is left out. Forward and backward together cost about three times as much. `background`
    says whether the model starts from one, which adds an input channel.
    """
    return network_work(config, background=background).forward_flops


def _forward_flops(config: CO2NetConfig, background: bool) -> int:
    size = config.dimensions
    tokens = size.times * size.places
    decoded = size.places * (size.times if config.decode_times else 1)
    heads = 2 if config.head == "additive" else 1
    cells = config.patch[0] * config.patch[1]
    products = size.depth * _layer_products(config) + tokens * _inputs_per_token(config, background)
    products += heads * decoded * (2 * size.width**2 + size.width * cells)
    if config.wind_probe:
        products += tokens * size.width * 4 * cells
    return 2 * products


def activation_memory(config: CO2NetConfig, batch: int, *, background: bool = False) -> int:
    """Return a rough estimate in bytes of what one training step keeps for the backward pass.

    Counts the patches that the tokenizers read, kept once for both experts, and
    `BYTES_PER_LAYER_VALUE` for each stream and layer, with half as much for each direction of the
    connection, which works at half the width and has no MLP. Good to about a factor of 1.5 under
    16-bit autocast; in fp32 expect twice as much.
    """
    channels = sum(group.channels for group in config.groups(background=background).values())
    inputs = BYTES_PER_INPUT * channels * config.grid[0] * config.grid[1] * config.frames
    return batch * (inputs + config.dimensions.depth * _layer_memory(config))


def training_memory(
    config: CO2NetConfig, parameters: int, batch: int, *, background: bool = False
) -> int:
    """Return a rough estimate in bytes of what training CO2-Net takes: weights, AdamW, one step.

    To what the forward pass keeps (`activation_memory`) comes the work of the backward pass, which
    takes about as much as one layer keeps.
    """
    kept = activation_memory(config, batch, background=background)
    return BYTES_PER_PARAMETER * parameters + kept + batch * _layer_memory(config)


def _layer_memory(config: CO2NetConfig) -> int:
    """Bytes that one layer keeps of one sample."""
    size = config.dimensions
    streams = len(config.streams) + (1 if config.connection == "bcast" else 0)
    return BYTES_PER_LAYER_VALUE * size.times * size.places * size.width * streams


def _inputs_per_token(config: CO2NetConfig, background: bool) -> int:
    """Multiplications of the tokenizers, per token of one stream."""
    channels = sum(group.channels for group in config.groups(background=background).values())
    frames = sum(1 if stream == "spatial" else 2 for stream in config.streams)
    return frames * channels * config.patch[0] * config.patch[1] * config.dimensions.width


def _layer_products(config: CO2NetConfig) -> int:
    """Multiplications of one layer: projections, attention, MLP, connection."""
    size = config.dimensions
    tokens = size.times * size.places
    per_token = 4 * size.width**2 + 2 * size.width * size.hidden
    total = len(config.streams) * tokens * per_token
    for stream in config.streams:
        length = size.places if stream == "spatial" else tokens
        total += 2 * tokens * length * size.width
    if config.connection == "bcast":
        half = size.width // 2
        per_direction = 3 * size.width * half + 4 * half**2
        total += 2 * tokens * per_direction
        total += 2 * tokens * (size.times + size.places) * half
    return total


def training_plan(prepared: Prepared, config: TrainingConfig) -> dict[str, Any]:
    """What a run will take: shapes, counts, and estimates of memory (bytes) and time (seconds).

    The time is that of the arithmetic at the share `EFFICIENCY` of the speed this device reaches
    in a large product, so it is good to a factor of two or so.
    """
    model, device = prepared.model, choose_device(config.device)
    options, has_background = model.config, model.background is not None
    parameters, work = count_parameters(model), network_work(options, background=has_background)
    channels = options.channels(background=has_background)
    windows = min(config.windows_per_epoch or len(prepared.train), len(prepared.train))
    steps = math.ceil(windows / config.batch_size) * config.epochs
    flops = work.step_flops * config.batch_size * steps
    kept = config.batch_size * work.kept_bytes * (2 if config.precision == "fp32" else 1)
    return {
        "model": config.architecture,
        "size": config.size if config.architecture == "co2net" else None,
        "parameters": parameters,
        "input_shape": [config.batch_size, channels, options.frames_read, *options.grid],
        "train_windows": len(prepared.train),
        "validation_windows": len(prepared.validation),
        "training_stations": len(prepared.training_stations),
        "held_out_stations": len(prepared.held_out_stations),
        "split": {name: list(block) for name, block in prepared.split.items()},
        "steps": steps,
        "memory_bytes": BYTES_PER_PARAMETER * parameters + kept,
        "options": {name: getattr(config, name) for name in HOW_IT_LEARNS},
        "expected_seconds": flops / (EFFICIENCY * product_speed(device, config.precision)),
        "device": str(device),
    }


def product_speed(device: torch.device, precision: str, size: int = 1024) -> float:
    """Floating-point operations a second of a square product in "bf16" or "fp32", measured."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        matrix @ matrix
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def device_speed(device: torch.device, precision: str) -> tuple[float, str]:
    """Return the operations a second that a device is capable of, and where that is from.

    `specification`: the maker's number for bf16 on a GPU of `SPECIFIED_SPEEDS`; else `measured`, by
    `product_speed`.
    """
    if device.type == "cuda" and precision == "bf16":
        name = torch.cuda.get_device_name(device)
        for part, speed in SPECIFIED_SPEEDS.items():
            if part in name:
                return speed, "specification"
    return product_speed(device, precision), "measured"
