"""A statement of the theory beside its findings: as printed, and as it ought to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from co2net_phys.validation.finding import Finding

Check = Callable[[], Finding]
"""A measurement without arguments; it may share cached work with others."""

Reading = Literal["printed", "implied", "code"]
"""What stands in the column "as printed".

``printed``: what the paper states, word for word. ``implied``: what follows from it, or what its
method needs in order to be used: stations for an open set, a finite network, an assumption added.
``code``: what the authors' code does.
"""

READINGS: Mapping[Reading, str] = {
    "printed": "as printed",
    "implied": "as implied",
    "code": "as coded",
}
"""How a sentence introduces them."""

MARGIN = 0.1
"""A printed claim counts as refuted only by an error of at least this, unless it says otherwise."""


@dataclass(frozen=True)
class Statement:
    """One row of `co2phys validate`.

    Attributes:
        name: short identifier, unique.
        result: number in docs/theory (R1, …) or docs/theory/numerics.md (N1, …).
        claim: what holds, in one line.
        corrected: measures the claim.
        printed: measures what the paper prints, or the reading of it that `reading` names; None
            where it says the same or nothing.
        printed_holds: what is documented of the printed claim.
        margin: least error of a printed claim that is documented as false.
        reading: whether `printed` measures the printed words, what they imply, or the code.
    """

    name: str
    result: str
    claim: str
    corrected: Check
    printed: Check | None = None
    printed_holds: bool = False
    margin: float = MARGIN
    reading: Reading = "printed"

    def judge(self) -> "Verdict":
        """Measure both claims."""
        printed = None if self.printed is None else self.printed()
        return Verdict(self, self.corrected(), printed)


@dataclass(frozen=True)
class Verdict:
    """What was found of a statement."""

    statement: Statement
    corrected: Finding
    printed: Finding | None

    @property
    def is_as_documented(self) -> bool:
        """Whether the corrected claim holds, and the printed one holds or fails as it should.

        A printed claim documented as false must miss by the statement's margin: a number close to
        its bound refutes nothing.
        """
        if not self.corrected.holds:
            return False
        if self.printed is None:
            return True
        if self.statement.printed_holds:
            return self.printed.holds
        return not self.printed.holds and self.printed.measured >= self.statement.margin


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many statements hold as corrected, and how many fail in each reading of the paper."""
    holding = sum(verdict.corrected.holds for verdict in verdicts)
    failing = [v.statement.reading for v in verdicts if v.printed and not v.printed.holds]
    failed = ", ".join(f"{failing.count(each)} {words}" for each, words in READINGS.items())
    kept = f"{holding} of {len(verdicts)} statements hold as corrected"
    return f"{kept}. What fails of the paper: {failed}"
