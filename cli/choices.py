"""Choices that several verbs offer; written out, so that `--help` needs no heavy import."""

from typing import Literal

FirstGuess = Literal[
    "none", "station-mean", "kriging", "climatology", "climatology-offset",
    "climatology-kriging", "eof-regression", "optimal-interpolation",
]  # fmt: skip
"""`co2net_phys.config.Background`; a test keeps them the same."""

Model = Literal[
    "co2net", "vit", "swin-lstm", "cyclegan", "senseiver",
    "column-emulator", "convlstm", "resnet-lstm", "ec", "ec-atm", "ec-stations",
]  # fmt: skip
"""`co2net_phys.families.MODELS`; a test keeps them the same."""
