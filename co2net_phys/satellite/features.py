"""The feature matrix: what is known of places on a day without having observed XCO2 there."""

from __future__ import annotations

import numpy as np

from co2net_phys.satellite.covariate_map import CovariateMap, Window
from co2net_phys.satellite.covariate_store import Covariates
from co2net_phys.satellite.schema import (
    MONTH_DAYS,
    TIME_FEATURES,
    WEEK_DAYS,
    Floats,
    feature_names,
)

_EPOCH = np.datetime64("2015-01-01", "D")
_YEAR_DAYS = 365.2425


def features(
    covariates: Covariates, day: np.datetime64, latitude: Floats, longitude: Floats
) -> Floats:
    """Features (n, k) of places (n,) on a day, columns `feature_names(covariates.names)`.

    Only the window of the covariates around the places is read. A place gets the same numbers
    whichever places are asked for with it, so maps may be made in tiles.

    Args:
        covariates: see `open_covariates`.
        day: UTC, datetime64[D].
        latitude: degrees (n,), n ≥ 1.
        longitude: degrees (n,).

    Returns:
        In the units of the covariates; NaN where a covariate is missing.

    Raises:
        DataError: the covariates do not cover the places or the day.
    """
    columns: dict[str, Floats] = {"latitude": latitude, "longitude": longitude}
    for name, value in zip(TIME_FEATURES, time_features(day), strict=True):
        columns[name] = np.full(len(latitude), value)
    wanted = feature_names(covariates.names)
    for one in covariates.maps:
        window = one.window(latitude, longitude)
        fields = {}
        for feature in wanted:
            name, kind = _parsed(feature, covariates)
            if name and covariates.map_of(name) is one:
                fields[feature] = _field(one, name, kind, day, window)
        if fields:
            values = one.interpolated(list(fields.values()), window, latitude, longitude)
            columns |= dict(zip(fields, values.T, strict=True))
    return np.stack([columns[feature] for feature in wanted], axis=-1)


def time_features(day: np.datetime64) -> tuple[float, ...]:
    """Years since 2015 and the phase of the year, as named in `TIME_FEATURES`."""
    years = float((day.astype("datetime64[D]") - _EPOCH) / np.timedelta64(1, "D")) / _YEAR_DAYS
    angle = 2 * np.pi * years
    waves = (np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle))
    return (years, *map(float, waves))


def _parsed(feature: str, covariates: Covariates) -> tuple[str, str]:
    """Covariate and kind ("", "around", "week", "month") of a feature; two "" if of none."""
    if feature in covariates.names:
        return feature, ""
    name, _, kind = feature.rpartition("_")
    return (name, kind) if name in covariates.names else ("", "")


def _field(one: CovariateMap, name: str, kind: str, day: np.datetime64, window: Window) -> Floats:
    """The field (rows, columns) behind a feature."""
    if kind == "around":
        return one.around(name, day, window)
    if kind:
        days = {"week": WEEK_DAYS, "month": MONTH_DAYS}[kind]
        return one.trailing_mean(name, day, days, window)
    return one.at(name, day, window)
