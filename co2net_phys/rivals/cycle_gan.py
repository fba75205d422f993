"""CycleGAN (Zhu et al. 2017, arXiv 1703.10593): two generators and two discriminators.

The two kinds of picture are what the stations see, a (the innovation in their cells, zero
elsewhere), and the whole field, b. The forward generator makes a field of a, the backward one makes
what the stations see of b. Where stations report, the weather and the first guess are conditions,
given to both generators and made by neither. So a picture has one channel in either domain, and
each generator can be asked to leave one of its own kind alone.

    adversarial     (D_b(G(a)) − 1)² + (D_a(F(b)) − 1)²
    cycle           |F(G(a)) − a| + |G(F(b)) − b|
    identity        |G(b) − b| + |F(a) − a|
    discriminator   ½ [(D_b(b) − 1)² + D_b(G(a))² + (D_a(a) − 1)² + D_a(F(b))²]

each a mean over cells or verdicts, with weights 1, 10, 0.5 · 10 and 1. Adversarial terms move
generators only, the discriminator's move discriminators only, in one step of one optimiser for all
four: simultaneous gradient steps of two players. The supervised term of the engine, on G(a), comes
on top for this method as for every other.

Left out is the pool of earlier pictures that the paper shows its discriminators: it was made for
batches of one, and it would be state that a resumed run has to carry along.

Sizes: CO2-Net paper, table 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from co2net_phys.rivals.base import LARGEST_DEPTH, LARGEST_WIDTH, Rival, StaticConfig, zero
from co2net_phys.rivals.convolutions import Discriminator, Generator, Padding

FEWEST = 3
"""Rows and columns that the halvings of a discriminator have to leave for its verdicts."""


class CycleGANConfig(StaticConfig):
    """Sizes of the four networks; defaults of table 9."""

    own_losses: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"adversarial": 1.0, "cycle": 10.0, "identity": 5.0, "discriminator": 1.0}
    )

    filters: int = Field(default=64, ge=1, le=LARGEST_WIDTH)
    """Of the first and the last layer; those between have up to eight times as many."""
    blocks: int = Field(default=9, ge=1, le=LARGEST_DEPTH)
    """Residual blocks of a generator."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    padding: Padding = "reflect"
    """Beyond the edges of a generator's grid (`reflect`: paper; `globe`: around the Earth)."""
    discriminator_layers: int = Field(default=3, ge=1, le=3)

    def _problems(self) -> list[str]:
        found = super()._problems()
        smallest = FEWEST * 2**self.discriminator_layers
        if min(self.grid) < smallest:
            found.append(
                f"discriminator_layers: {self.discriminator_layers} need a grid of at least "
                f"{smallest} rows and columns; take fewer"
            )
        return found


class CycleGAN(Rival):
    """The four networks; the forward generator is the reconstruction."""

    config: CycleGANConfig

    def __init__(self, config: CycleGANConfig, background: nn.Module | None = None) -> None:
        super().__init__(config, background)
        channels = config.channels(background=background is not None)
        sizes = (channels, config.filters, config.blocks, config.dropout, config.padding)
        self.forwards, self.backwards = Generator(*sizes), Generator(*sizes)
        judges = (config.filters, config.discriminator_layers)
        self.field_judge, self.station_judge = Discriminator(*judges), Discriminator(*judges)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=0.02)
        if background is not None:
            zero(self.forwards.last.convolution)

    def repeated_layers(self) -> Iterable[nn.Module]:
        """Return the residual blocks of both generators."""
        return [*self.forwards.blocks, *self.backwards.blocks]

    def estimate(self, *inputs: Tensor) -> Tensor:
        """Return the normalised field (B, 1, H, W) of channels (B, 1, C, H, W)."""
        (channels,) = inputs
        field: Tensor = self.forwards(channels[:, 0])
        return field

    def compared(self, field: Tensor, truth: Tensor, *inputs: Tensor) -> dict[str, Tensor]:
        """Return the four terms by name, for G(a) = `field` and b = `truth`.

        Cells without a truth take the value that was made for them, and teach nothing.
        """
        (channels,) = inputs
        seen, conditions = channels[:, 0, :1], channels[:, 0, 1:]  # (B, 1, H, W), (B, C − 1, H, W)
        truth = torch.where(truth.isnan(), field.detach(), truth)

        def make(generator: nn.Module, picture: Tensor) -> Tensor:
            made: Tensor = generator(torch.cat([picture, conditions], dim=1))
            return made

        stations = make(self.backwards, truth)
        cycle = _apart(make(self.backwards, field), seen)
        cycle = cycle + _apart(make(self.forwards, stations), truth)
        identity = _apart(make(self.forwards, truth), truth)
        identity = identity + _apart(make(self.backwards, seen), seen)
        players = ((self.field_judge, truth, field), (self.station_judge, seen, stations))
        convinced = [_verdict_off(_frozen(judge, made), 1.0) for judge, _, made in players]
        caught = [
            _verdict_off(judge(real), 1.0) + _verdict_off(judge(made.detach()), 0.0)
            for judge, real, made in players
        ]
        return {
            "adversarial": torch.stack(convinced).sum(),
            "cycle": cycle,
            "identity": identity,
            "discriminator": 0.5 * torch.stack(caught).sum(),
        }


def _frozen(judge: nn.Module, picture: Tensor) -> Tensor:
    """Verdicts that pass a gradient to the picture, and none to the judge."""
    weights = {name: weight.detach() for name, weight in judge.named_parameters()}
    verdicts: Tensor = functional_call(judge, weights, (picture,))
    return verdicts


def _verdict_off(verdicts: Tensor, wanted: float) -> Tensor:
    """Mean square distance of verdicts from the one that is wanted."""
    return (verdicts.float() - wanted).square().mean()


def _apart(one: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of two pictures."""
    return (one.float() - other.float()).abs().mean()
