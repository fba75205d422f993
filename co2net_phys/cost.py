"""What a network costs before it is run: parameters, arithmetic, memory."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from co2net_phys.devices import choose_device
from co2net_phys.model import CO2NetConfig

if TYPE_CHECKING:
    from co2net_phys.config import TrainingConfig
    from co2net_phys.preparation import Prepared

BYTES_PER_LAYER_VALUE = 34
"""Bytes a transformer layer keeps for the backward pass, per token and unit of width, in 16-bit
arithmetic with a four times wider MLP and without the attention matrix, which fused attention does
not keep (Korthikanti et al. 2023, "Reducing activation recomputation in large transformers")."""

EFFICIENCY = 0.2
"""Speed of a training step over that of a large matrix product; XS on two CPU cores in bf16."""

BYTES_PER_INPUT = 2
"""Bytes per input value that the tokenizers keep, in 16-bit arithmetic."""


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def forward_flops(config: CO2NetConfig, *, background: bool = False) -> int:
    """Return the floating-point operations of the matrix products of one sample's forward pass.

    A product of (l, m) and (m, n) counts 2·l·m·n, attention both of its products; element-wise
    work is left out. Forward and backward together cost about three times as much. `background`
    says whether the model starts from one, which adds an input channel.
    """
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
    connection, which works at half the width and has no MLP. Parameters, gradients and optimiser
    state (16 bytes per parameter with AdamW in fp32) come on top. Good to about a factor of 1.5
    under 16-bit autocast; in fp32 expect twice as much.
    """
    size = config.dimensions
    tokens = size.times * size.places
    channels = sum(group.channels for group in config.groups(background=background).values())
    inputs = BYTES_PER_INPUT * channels * config.grid[0] * config.grid[1] * config.frames
    streams = len(config.streams) + (1 if config.connection == "bcast" else 0)
    layers = BYTES_PER_LAYER_VALUE * tokens * size.width * size.depth * streams
    return batch * (inputs + layers)


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
    parameters = count_parameters(model)
    groups = options.groups(background=has_background).values()
    channels = sum(group.channels for group in groups)
    windows = min(config.windows_per_epoch or len(prepared.train), len(prepared.train))
    steps = math.ceil(windows / config.batch_size) * config.epochs
    flops = 3 * forward_flops(options, background=has_background) * config.batch_size * steps
    activations = activation_memory(options, config.batch_size, background=has_background)
    activations *= 2 if config.precision == "fp32" else 1
    return {
        "size": config.size,
        "parameters": parameters,
        "input_shape": [config.batch_size, channels, options.frames, *options.grid],
        "train_windows": len(prepared.train),
        "validation_windows": len(prepared.validation),
        "training_stations": len(prepared.training_stations),
        "held_out_stations": len(prepared.held_out_stations),
        "split": {name: list(block) for name, block in prepared.split.items()},
        "steps": steps,
        "memory_bytes": 16 * parameters + activations,
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
