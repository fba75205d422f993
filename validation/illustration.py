"""A figure of a finding, with the words that go with it."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Illustration:
    """A figure that report, documentation and notebooks share.

    Attributes:
        name: of the file, without ending.
        draw: makes the figure; its titles say the finding, its axes the units.
        alternative: one sentence for readers who cannot see it.
        caption: shown below.
    """

    name: str
    draw: Callable[[], Figure]
    alternative: str
    caption: str
