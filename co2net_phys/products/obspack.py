"""Read ObsPack and NOAA GML station files in NetCDF, of one dataset or of one day.

Known layouts: GLOBALVIEWplus (dimension ``obs``, from version 8 ``time``), NOAA GML's own files
(``value_unc``, ``midpoint_time``), and one file a day with many sites, where each measurement names
its dataset in ``obspack_id``. Layouts: documentation of ObsPack at gml.noaa.gov/ccgg/obspack.
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from co2net_phys.data.opening import explained_reading_errors
from co2net_phys.errors import DataError
from co2net_phys.products import dataset_names
from co2net_phys.products.files import open_product_file
from co2net_phys.products.observation_flags import Mask, Selection, flag_masks, retained
from co2net_phys.products.observations import (
    Part,
    Records,
    Series,
    Times,
    checked_position,
    instants,
    is_moving,
    nominal_position,
    unit_factor,
    without_fills,
)

_logger = logging.getLogger(__name__)

_MOVING = ("aircraft", "shipboard", "aircore", "airborne")
_ERRORS = ("value_std_dev", "value_unc")  # standard deviation first, NOAA's own estimate else


def is_obspack(dataset: xr.Dataset) -> bool:
    """Whether an opened dataset has one of the layouts of this module."""
    return "value" in dataset and dataset["value"].ndim == 1 and "latitude" in dataset.variables


def read(
    path: Path, tracer: str, selection: Selection, units: str | None = None
) -> tuple[list[Part], Counter[str]]:
    """Read one file.

    Args:
        path: NetCDF file.
        tracer: the wanted tracer, lower case.
        selection: what to keep.
        units: of the values, where the file's attribute is wrong.

    Returns:
        One part for each dataset (and height, if several are sampled at once), and how many
        measurements were left out for which reason.

    Raises
    ------
    DataError
        The file is damaged, of another layout or tracer, or its units are wrong.
    """
    with open_product_file(path) as dataset, explained_reading_errors(path):
        if not is_obspack(dataset):
            raise DataError(
                f"{path}: has no one-dimensional variable 'value' with 'latitude'; give a station "
                "file of ObsPack or NOAA GML with measured values"
            )
        return _File(path, dataset, tracer).parts(selection, units)


class _File:
    """One opened file: columns along its only long dimension."""

    def __init__(self, path: Path, dataset: xr.Dataset, tracer: str) -> None:
        self.path, self.dataset = path, dataset
        self.size = dataset["value"].size
        self.names = self._dataset_names()
        self.tracer = tracer
        self._refuse_other_tracer()

    def parts(self, selection: Selection, units: str | None) -> tuple[list[Part], Counter[str]]:
        """Measurements that pass the selection, by dataset and height."""
        dropped: Counter[str] = Counter()
        time = self._time()
        self._warn_of_starts()
        north, east = self._position()
        masks = {"missing value": self._present(), "missing time": ~np.isnat(time)}
        masks |= self._flag_masks(selection)
        masks["missing position"] = np.isfinite(north)
        passing = retained(masks, dropped, self.size)
        value, error = self._values(passing, units)
        negative = np.zeros(self.size, dtype=bool)
        negative[passing] = value[passing] <= 0
        if negative.any():
            _logger.warning(
                "%s: variable 'value' has %d mole fractions that are not positive: left out",
                *(self.path, int(negative.sum())),
            )
            passing &= retained({"negative": ~negative}, dropped, self.size)
        records = Records(
            *(time, value, error, north, east),
            self._heights("altitude"),
            self._heights("intake_height"),
            np.ones(self.size, dtype=np.int32),
        )
        names = map(str, np.unique(self.names))
        return [part for name in names for part in self._split(name, records, passing)], dropped

    def _dataset_names(self) -> NDArray[np.str_]:
        """Name of the dataset of every measurement."""
        given = self.dataset.attrs.get("dataset_name")
        has_own_site = given is not None or "site_code" in self.dataset.attrs
        if not has_own_site and "obspack_id" in self.dataset:
            names = [identity.split("~") for identity in self._text("obspack_id")]
            if names and all(len(parts) >= 2 for parts in names):
                return np.array([parts[1] for parts in names])
        name = str(given or dataset_names.of_file(self.path)).strip()
        return np.full(self.size, name)

    def _refuse_other_tracer(self) -> None:
        found = {self._tracer_of(name) for name in np.unique(self.names)} or {self.tracer}
        if found != {self.tracer}:
            (other, *_) = sorted(found - {self.tracer})
            raise DataError(
                f"{self.path}: variable 'value' is the mole fraction of {other.upper()}, not of "
                f"{self.tracer.upper()}; leave the file out"
            )

    def _tracer_of(self, name: str) -> str:
        """Lower-case formula, by the attribute, else by the dataset's or the file's name."""
        given = str(self.dataset.attrs.get("dataset_parameter", "")).strip().lower()
        parsed = dataset_names.parsed(name) or dataset_names.parsed(
            dataset_names.of_file(self.path)
        )
        tracer = given or (parsed.tracer if parsed else "")
        if not tracer:
            raise DataError(
                f"{self.path}: does not say which tracer it holds; set the global attribute "
                "'dataset_parameter', for example to co2"
            )
        return tracer

    def _text(self, name: str) -> list[str]:
        """A character array as one stripped string for each measurement."""
        values = self.dataset[name].values
        if values.ndim > 1:
            values = np.array([b"".join(row) for row in values])
        texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
        return [text.strip("\0 ") for text in texts]

    def _column(self, name: str) -> NDArray[np.float64]:
        """A numeric variable, NaN where it is missing or absent."""
        if name not in self.dataset.variables:
            return np.full(self.size, np.nan)
        return np.broadcast_to(self.dataset[name].values.astype(np.float64), self.size).copy()

    def _heights(self, name: str) -> NDArray[np.float64]:
        return without_fills(self._column(name))

    def _time(self) -> Times:
        """Centre of the sampling interval: ``midpoint_time``, else ``time``, else components."""
        for name in ("midpoint_time", "time"):
            if name in self.dataset.variables:
                values = self.dataset[name].values
                if np.issubdtype(values.dtype, np.datetime64):
                    return values.astype("datetime64[s]")
                if np.issubdtype(values.dtype, np.number):  # without units: POSIX seconds
                    return _posix(values)
                raise DataError(
                    f"{self.path}: variable '{name}' is in the calendar of a model; give it units "
                    "of the standard calendar"
                )
        if "time_components" not in self.dataset:
            raise DataError(f"{self.path}: has no variable 'time'; copy or download it again")
        components = np.nan_to_num(self.dataset["time_components"].values, nan=-9)
        return instants(components)[0]

    def _warn_of_starts(self) -> None:
        """Say so where an old release gives the start of its averaging intervals as the time."""
        comment = (
            str(self.dataset["time"].attrs.get("comment", "")) if "time" in self.dataset else ""
        )
        parsed = dataset_names.parsed(str(self.names[0])) if self.size else None
        is_average = parsed is not None and parsed.project.endswith("insitu")
        if "beginning" in comment and is_average and "midpoint_time" not in self.dataset:
            _logger.warning(
                "%s: variable 'time' is the start of the averaging intervals by its comment, not "
                "their centre: times are taken as they are; use a newer release for the centres",
                self.path,
            )

    def _position(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places of the measurements; where one is missing, that of the site."""
        north, east = checked_position(self._column("latitude"), self._column("longitude"))
        site = checked_position(*(np.array([self._number(f"site_{n}")]) for n in _AXES))
        unknown = ~np.isfinite(north)
        return np.where(unknown, site[0], north), np.where(unknown, site[1], east)

    def _number(self, attribute: str) -> float:
        """A numeric global attribute, NaN if it is absent, a fill value or no number."""
        try:
            return float(without_fills(np.array(float(self.dataset.attrs.get(attribute, np.nan)))))
        except (TypeError, ValueError):
            return np.nan

    def _present(self) -> Mask:
        return np.isfinite(without_fills(self._column("value")))

    def _flag_masks(self, selection: Selection) -> dict[str, Mask]:
        """Masks of the quality flag, the large-scale flag, concerns and CarbonTracker's choice."""
        masks = self._quality_masks(selection)
        if selection.large_scale and "obs_flag" in self.dataset:
            # Missing flags (NaN) do not reject.
            masks["not large-scale (obs_flag)"] = ~(np.abs(self._column("obs_flag") - 1) > 0)
        if selection.large_scale and "assimilation_concerns" in self.dataset:
            concerns = np.nan_to_num(self.dataset["assimilation_concerns"].values.astype(float))
            masks["assimilation concerns"] = ~(concerns > 0).any(axis=1)
        if selection.assimilated and "CT_assim" in self.dataset:
            masks["not assimilated (CT_assim)"] = self._column("CT_assim") == 1
        elif selection.assimilated:
            _logger.warning(
                "%s: has no variable 'CT_assim': all measurements that pass the flags are kept",
                self.path,
            )
        return masks

    def _quality_masks(self, selection: Selection) -> dict[str, Mask]:
        """Masks of ``qcflag`` where it is in NOAA's style; other providers mean other things."""
        name = next((n for n in ("qcflag", "qc_flag") if n in self.dataset), None)
        if name is None or not self.size:
            return {}
        flags = np.array(self._text(name))
        if all(len(flag) == 3 for flag in flags):
            return flag_masks(flags, selection)
        in_style = np.array([len(flag) == 3 for flag in flags])
        if len({flag for flag in flags if len(flag) != 3} - {"", "NA", "nan"}):
            _logger.warning(
                "%s: variable '%s' is not in NOAA's three characters in %d of %d measurements: "
                "ignored there",
                *(self.path, name, int(np.count_nonzero(~in_style)), self.size),
            )
        return {key: mask | ~in_style for key, mask in flag_masks(flags, selection).items()}

    def _values(
        self, passing: Mask, units: str | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and their standard deviations in the table's unit, NaN where missing."""
        value = without_fills(self._column("value"))
        attribute = str(self.dataset["value"].attrs.get("units", ""))
        where = f"{self.path}: variable 'value'"
        good = value[passing & (value > 0)]
        factor = unit_factor(good, units or attribute, self.tracer, where)
        error = np.full(self.size, np.nan)
        for name in _ERRORS:
            if name not in self.dataset:
                continue
            found = without_fills(self._column(name))
            unit = units or str(self.dataset[name].attrs.get("units", attribute))
            scale = unit_factor(found[:0], unit, self.tracer, f"{self.path}: variable '{name}'")
            error = np.where(np.isfinite(error), error, np.where(found >= 0, found * scale, np.nan))
        return value * factor, error

    def _split(self, name: str, records: Records, passing: Mask) -> list[Part]:
        """The parts of one dataset: one, or one for each height that is sampled at once."""
        mine = passing & (self.names == name)
        parsed = dataset_names.parsed(name)
        if parsed is None or not parsed.project.endswith("insitu"):
            return [self._part(name, records, mine)]
        height = np.round(records.intake_height, 1)
        levels = np.unique(height[mine & np.isfinite(height)])
        if not _overlap([records.time[mine & (height == level)] for level in levels]):
            return [self._part(name, records, mine)]
        return [self._part(name, records, mine & (height == level)) for level in levels]

    def _part(self, name: str, records: Records, mask: Mask) -> Part:
        own = records.where(mask)
        return self._series(name, own), own

    def _series(self, name: str, own: Records) -> Series:
        """Description of one dataset, by global attributes where the file is its own."""
        parsed = dataset_names.parsed(name)
        is_whole = "dataset_name" in self.dataset.attrs or "site_code" in self.dataset.attrs
        attributes = self.dataset.attrs if is_whole else {}
        site = str(attributes.get("site_code", parsed.site if parsed else name)).strip().upper()
        project = str(attributes.get("dataset_project", parsed.project if parsed else ""))
        tag = parsed.tag if parsed else str(attributes.get("dataset_selection_tag", ""))
        given = checked_position(
            *(np.array([self._number(f"site_{n}") if is_whole else np.nan]) for n in _AXES)
        )
        median = nominal_position(own.latitude, own.longitude)
        elevations = without_fills(self._column("elevation"))[self.names == name]
        platform = str(attributes.get("dataset_platform", "fixed")).strip().lower()
        moves = project.startswith(_MOVING) or platform.startswith((*_MOVING, "mobile", "ship"))
        height = _median(own.intake_height)
        return Series(
            site=site,
            site_name=str(attributes.get("site_name", site)).strip(),
            dataset=name,
            project=project,
            laboratory=parsed.laboratory if parsed else str(attributes.get("lab_1_number", "")),
            selection_tag=tag.lower(),
            site_latitude=_first_known(given[0][0], median[0]),
            site_longitude=_first_known(given[1][0], median[1]),
            elevation=_first_known(
                self._number("site_elevation") if is_whole else np.nan, _median(elevations)
            ),
            series_height=_first_known(height, parsed.height if parsed else np.nan),
            is_mobile=bool(moves or is_moving(own.latitude, own.longitude)),
        )


_AXES = ("latitude", "longitude")


def _posix(values: NDArray[Any]) -> Times:
    """Seconds since 1970 as times, NaT where missing."""
    known = np.isfinite(values) & (np.abs(values) < 1e11)
    seconds = np.where(known, values, 0).astype(np.int64).astype("datetime64[s]")
    return np.where(known, seconds, np.datetime64("NaT"))


def _median(values: NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan


def _first_known(*values: float) -> float:
    """The first value that is not NaN, NaN if all are."""
    return float(next((value for value in values if np.isfinite(value)), np.nan))


def _overlap(groups: list[Times]) -> bool:
    """Whether the periods of any two groups overlap by more than a twentieth of the shorter."""
    spans = sorted((group.min(), group.max()) for group in groups if group.size)
    for (start, end), (following, last) in pairwise(spans):
        shared = min(end, last) - following
        if shared > 0.05 * min(end - start, last - following):
            return True
    return False
