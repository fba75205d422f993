"""The verdict of one numerical check of one statement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A claim, the number measured for it, and whether it holds.

    ``holds`` is about the claim, not about the code: a claim that is known to be wrong is
    reported with ``holds`` false, and ``note`` says why.
    """

    name: str
    """Short identifier."""
    claim: str
    """The statement, in words."""
    source: str
    """Where the claim comes from: a theorem, and whether as printed, implied or corrected; the
    number of a result in docs/theory; or the formula that is checked."""
    measured: float
    """The error found, dimensionless unless the note gives a unit."""
    bound: float
    """Largest error with which the claim is said to hold."""
    holds: bool
    """Whether ``measured`` ≤ ``bound``."""
    note: str = ""
    """Set-up, unit, or the reason of a failure."""

    def __str__(self) -> str:
        """Verdict, number and claim in a sentence."""
        verdict, sign = ("holds", "≤") if self.holds else ("fails", ">")
        numbers = f"{self.measured:.2g} {sign} {self.bound:.2g}"
        text = f"{self.claim} ({self.source}): {verdict}, {numbers}"
        return f"{text}; {self.note}" if self.note else text


def find(name: str, claim: str, source: str, measured: float, bound: float, note: str) -> Finding:
    """Finding of an error ``measured`` against ``bound``; NaN does not hold."""
    return Finding(name, claim, source, measured, bound, bool(measured <= bound), note)
