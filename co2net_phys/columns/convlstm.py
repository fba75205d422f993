"""Convolutional LSTM (Shi et al. 2015, arXiv 1506.04214) on the globe.

With x the input of a frame, h and c hidden state and memory of the frame before, ∗ a convolution:

    i, f, o = sigmoid(W_x ∗ x + W_h ∗ h + b),    g = tanh(W_x ∗ x + W_h ∗ h + b),
    c ← f c + i g,    h ← o tanh(c),

each gate with weights of its own. The peephole weights of the paper, one per cell of the grid, are
left out: they would tie the network to places, so that it no longer turned with the Earth.

Beyond a pole a layer hears the hidden states of the rows there. What they say of directions is
turned round, as their own east and north are, and cannot be told from the rest: convolutions over
the poles are exact in the inputs of a network, and approximate here.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.columns.padding import SphereConv

FORGET_BIAS = 1.0
"""Bias of the forget gate before training, so that the memory is kept at first
(Jozefowicz et al. 2015, proceedings.mlr.press/v37/jozefowicz15)."""


class ConvLSTM(nn.Module):
    """One layer: from the features of all frames (B, T, C, H, W) to those of h, (B, T, F, H, W)."""

    def __init__(
        self,
        channels: int,
        features: int,
        kernel: int,
        *,
        rows_at_poles: bool,
        signs: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.of_input = SphereConv(
            channels, 4 * features, kernel, rows_at_poles=rows_at_poles, signs=signs
        )
        self.of_state = SphereConv(
            features, 4 * features, kernel, rows_at_poles=rows_at_poles, bias=False
        )
        bias = self.of_input.bias
        assert bias is not None
        with torch.no_grad():
            bias[features : 2 * features] = FORGET_BIAS

    def forward(self, frames: Tensor) -> Tensor:
        """Return the hidden states after each frame, from a state of zeros before the first."""
        count = frames.shape[1]
        driven = self.of_input(rearrange(frames, "b t c h w -> (b t) c h w"))
        driven = rearrange(driven, "(b t) g h w -> t b g h w", t=count)  # (T, B, 4 F, H, W)
        memory = torch.zeros_like(driven[0].chunk(4, dim=1)[0])
        hidden, states = memory, []
        for number, gates in enumerate(driven):
            if number:  # a state of zeros before the first frame adds nothing
                gates = gates + self.of_state(hidden)
            entrance, kept, shown, candidate = gates.chunk(4, dim=1)  # (B, F, H, W) each
            memory = kept.sigmoid() * memory + entrance.sigmoid() * candidate.tanh()
            hidden = shown.sigmoid() * memory.tanh()
            states.append(hidden)
        return torch.stack(states, dim=1)  # (B, T, F, H, W)
