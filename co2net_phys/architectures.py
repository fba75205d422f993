"""The networks that can be trained, by name, and how their papers train them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from torch import nn

from co2net_phys.learned_model import Architecture
from co2net_phys.model import CO2Net, CO2NetConfig
from co2net_phys.network import Network
from co2net_phys.network_config import NetworkConfig
from co2net_phys.rivals.cycle_gan import CycleGAN, CycleGANConfig
from co2net_phys.rivals.senseiver import Senseiver, SenseiverConfig
from co2net_phys.rivals.swin_lstm import SwinLSTM, SwinLSTMConfig
from co2net_phys.rivals.vit import ViT, ViTConfig

Name = Literal["co2net", "vit", "swin-lstm", "cyclegan", "senseiver"]
"""Networks by the names of `ARCHITECTURES`."""


def _rival(**options: Any) -> Mapping[str, Any]:
    """Training of a rival: the field itself, no wind loss, and a learning rate of 1e-4."""
    plain = {"background": "none", "wind_weight": 0.0, "learning_rate": 1e-4}
    return MappingProxyType(plain | options)


ARCHITECTURES: Mapping[str, Architecture[NetworkConfig, Network]] = MappingProxyType(
    {
        "co2net": Architecture("CO2-Net", CO2NetConfig, CO2Net),
        "vit": Architecture(
            "ViT", ViTConfig, ViT, 76e6, _rival(weight_decay=5e-4, schedule="constant", warm_up=0.0)
        ),
        "swin-lstm": Architecture(
            "SwinLSTM", SwinLSTMConfig, SwinLSTM, 3.3e6, _rival(weight_decay=0.01, warm_up=0.4)
        ),
        "cyclegan": Architecture(
            "CycleGAN", CycleGANConfig, CycleGAN, 28e6,
            _rival(
                weight_decay=0.0, betas=(0.5, 0.999), schedule="constant", warm_up=0.0,
                gradient_clip=None,
            ),
        ),
        "senseiver": Architecture(
            "Senseiver", SenseiverConfig, Senseiver, 0.11e6, _rival(weight_decay=0.0, warm_up=0.02)
        ),
    }
)  # fmt: skip
"""Rates, decays and betas: CO2-Net paper, appendix E.2; parameters: its table 12, which has several
sizes of CO2-Net.

Warm-ups are shares of its 250 epochs: 5 for Senseiver, 100 for SwinLSTM. Where it names no schedule
(ViT, CycleGAN) the rate is constant, where no weight decay AdamW's usual 0.01 (SwinLSTM). Adam
(CycleGAN, Senseiver) is AdamW without weight decay. The norm of CycleGAN's gradient is not clipped:
it is that of two opponents together.
"""


def architecture_of(config: NetworkConfig) -> str:
    """Name of the kind of network that a configuration describes."""
    return next(name for name, kind in ARCHITECTURES.items() if type(config) is kind.config)


def make_network(config: NetworkConfig, background: nn.Module | None = None) -> Network:
    """Return the network that `config` describes, its weights random."""
    return ARCHITECTURES[architecture_of(config)].network(config, background)


def network_title(options: Mapping[str, Any]) -> str:
    """Name in words of the network that options of a run ask for, such as CO2-Net S."""
    name = options.get("architecture", "co2net")
    return f"CO2-Net {options['size']}" if name == "co2net" else ARCHITECTURES[name].title
