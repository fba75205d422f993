"""What a network costs before it is run: parameters, arithmetic, memory."""

from __future__ import annotations

from torch import nn

from co2net_phys.model import CO2NetConfig

BYTES_PER_LAYER_VALUE = 34
"""Bytes a transformer layer keeps for the backward pass, per token and unit of width, in 16-bit
arithmetic with a four times wider MLP and without the attention matrix, which fused attention does
not keep (Korthikanti et al. 2023, "Reducing activation recomputation in large transformers")."""

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
