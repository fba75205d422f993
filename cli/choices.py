"""Choices that several verbs offer; written out, so that `--help` needs no heavy import."""

from typing import Literal

FirstGuess = Literal[
    "none", "station-mean", "climatology", "climatology-offset", "climatology-kriging",
    "eof-regression", "optimal-interpolation",
]  # fmt: skip
"""`co2net_phys.config.Background`; a test keeps them the same."""
