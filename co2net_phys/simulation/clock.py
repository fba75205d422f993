"""Calendar of a simulation: seconds since its start ↔ dates, hours and seasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clock:
    """Proleptic Gregorian clock started at `start` (UTC)."""

    start: np.datetime64

    def moment(self, seconds: float) -> np.datetime64:
        """Date and time `seconds` after the start."""
        return self.start.astype("datetime64[ns]") + np.timedelta64(round(seconds * 1e9), "ns")

    def day_phase(self, seconds: float) -> float:
        """Fraction of the UTC day, in [0, 1)."""
        moment = self.moment(seconds)
        return float((moment - moment.astype("datetime64[D]")) / np.timedelta64(1, "D"))

    def year_phase(self, seconds: float) -> float:
        """Fraction of the calendar year, in [0, 1)."""
        moment = self.moment(seconds)
        year = moment.astype("datetime64[Y]")
        return float(
            (moment - year) / ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]"))
        )

    def years(self, seconds: float) -> float:
        """Calendar years since 2000-01-01, as a real number."""
        year = int(self.moment(seconds).astype("datetime64[Y]").astype(int)) + 1970
        return year - 2000 + self.year_phase(seconds)
