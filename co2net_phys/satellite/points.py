"""What a fusion method sees: places and days with their features, and XCO2 where it is known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.kinds import SAMPLES
from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.schema import Floats as Floats

Integers = NDArray[np.int64]
Days = NDArray[np.datetime64]

TARGET = "xco2"
"""Column-averaged dry-air mole fraction of CO2, µmol mol-1; also its key among statistics."""


@dataclass(frozen=True)
class Points:
    """Places and days at which XCO2 is asked for."""

    time: Days
    """Days (n,), datetime64[D]."""
    latitude: Floats
    """Degrees north (n,)."""
    longitude: Floats
    """Degrees east (n,)."""
    features: NDArray[np.float32]
    """(n, F) in the units of the covariates."""
    names: tuple[str, ...]
    """Of the F features."""

    def __post_init__(self) -> None:
        count = len(self.time)
        if not (len(self.latitude) == len(self.longitude) == len(self.features) == count):
            raise UsageError(
                f"{count} times, {len(self.latitude)} latitudes, {len(self.longitude)} longitudes "
                f"and {len(self.features)} rows of features are not of the same points"
            )
        if self.features.shape != (count, len(self.names)):
            raise UsageError(f"features {self.features.shape} have {len(self.names)} names")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Points (n,) that lack no feature."""
        return np.asarray(np.isfinite(self.features).all(axis=1))


@dataclass(frozen=True)
class Samples(Points):
    """Points at which satellites have seen XCO2."""

    xco2: Floats
    """µmol mol-1 (n,)."""
    sensors: Integers
    """Sum of the codes of the sensors that saw each (n,), see `schema.SENSORS`."""
    origin: str
    """Where they come from, for messages."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.xco2.shape == self.sensors.shape == self.time.shape):
            raise UsageError(
                f"{len(self)} samples have {len(self.xco2)} values of XCO2 and {len(self.sensors)} "
                "sensors"
            )

    def at(self, positions: NDArray[Any]) -> Self:
        """Return the samples at positions, or where a mask is true."""
        return type(self)(
            self.time[positions], self.latitude[positions], self.longitude[positions],
            self.features[positions], self.names, self.xco2[positions],
            self.sensors[positions], self.origin,
        )  # fmt: skip

    @property
    def digest(self) -> str:
        """A few letters that say which samples these are, and what is known of them."""
        found = hashlib.sha256("\n".join(self.names).encode())
        for values in (self.time, self.latitude, self.longitude, self.xco2, self.features):
            found.update(values.tobytes())
        return found.hexdigest()[:16]

    @classmethod
    def of(cls, dataset: xr.Dataset, origin: str) -> Self:
        """Take the samples of a samples store, see `schema.SAMPLE_VARIABLES`.

        Raises
        ------
        DataError
            A variable is missing.
        """
        needed = ("time", "latitude", "longitude", "features", "feature", TARGET, "source")
        for name in needed:
            if name not in dataset.variables:
                raise DataError(f"{origin}: {name}: is missing; {SAMPLES.remedy}")
        return cls(
            dataset["time"].values.astype("datetime64[D]"),
            dataset["latitude"].values.astype(np.float64),
            dataset["longitude"].values.astype(np.float64),
            dataset["features"].transpose("sample", "feature").values.astype(np.float32),
            tuple(map(str, dataset["feature"].values.tolist())),
            dataset[TARGET].values.astype(np.float64),
            dataset["source"].values.astype(np.int64),
            origin,
        )

    def require_complete(self) -> Self:
        """Return these samples if there are any and none has a gap.

        Raises
        ------
        DataError
            There is none, or a feature or XCO2 is missing somewhere.
        """
        if len(self) == 0:
            raise DataError(f"{self.origin}: there is no sample; give more days or a larger region")
        gaps = ~np.isfinite(self.features)
        if gaps.any():
            name = self.names[int(np.argmax(gaps.any(axis=0)))]
            raise DataError(
                f"{self.origin}: {name}: is missing at {gaps.any(axis=1).sum()} of {len(self)} "
                "samples; leave those out or fill the covariate"
            )
        if not np.isfinite(self.xco2).all():
            raise DataError(f"{self.origin}: {TARGET}: is missing somewhere; leave those out")
        return self


class Predictor(Protocol):
    """A fitted method."""

    def predict(self, points: Points) -> Floats:
        """XCO2 (n,) at points that lack no feature, µmol mol-1."""
        ...


class Method(Protocol):
    """A way to learn from samples."""

    def fit(self, samples: Samples) -> Predictor:
        """Return what was learned from samples that lack nothing."""
        ...


def prediction(predictor: Predictor, points: Points) -> Floats:
    """XCO2 (n,), NaN where a feature is missing.

    All methods are asked through this function, so that none gains by its way with gaps.
    """
    known = points.complete
    found = np.full(len(points), np.nan)
    if known.any():
        chosen = Points(
            points.time[known], points.latitude[known], points.longitude[known],
            points.features[known], points.names,
        )  # fmt: skip
        found[known] = predictor.predict(chosen)
    return found
