"""What an inspection finds, as it is given to machines: the names here are the keys of the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
"""error: a command refuses it; warning: it is handled, but look at it; note: good to know."""

Kind = Literal["grid", "store", "stations", "station list", "other", "unreadable"]


@dataclass(frozen=True)
class Problem:
    """Something that a user may stumble over.

    Attributes:
        severity: see `Severity`.
        topic: one word: "units", "time", "grid", "level", "values", "flags", "place", "files", …
        text: one sentence, with the remedy where there is one.
    """

    severity: Severity
    topic: str
    text: str


@dataclass(frozen=True)
class Use:
    """One thing that the files are good for.

    Attributes:
        purpose: in a few words.
        command: words of the command line to run next; empty where none fits.
        note: what else is needed, or why it is not possible.
    """

    purpose: str
    command: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class VariableReport:
    """One variable of the first file of a series.

    Attributes:
        name: in the file.
        schema_name: that a training store would give it; empty if it has no place there.
        standard_name, long_name, units: attributes of the file, empty where missing.
        schema_units: units after the conversion, empty where they cannot be converted.
        units_option: words for the command line that would correct the units, else empty.
        dimensions, shape: as in the file.
        dtype: as stored.
        minimum, maximum: of the sample, in the file's units; None where nothing was looked at.
        missing: share of the sample without a value.
        sample: which part of the variable was looked at.
    """

    name: str
    schema_name: str
    standard_name: str
    long_name: str
    units: str
    schema_units: str
    units_option: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    minimum: float | None = None
    maximum: float | None = None
    missing: float | None = None
    sample: str = ""


@dataclass(frozen=True)
class GridReport:
    """The horizontal grid.

    Attributes:
        kind: "regular", "Gaussian", "irregular", "curvilinear", "unstructured" or "point".
        rows, columns: along latitude and longitude.
        latitude, longitude: first and last value in the file, degrees.
        latitude_step, longitude_step: typical distance, degrees; None where there is none.
        latitude_order: "south to north" or "north to south".
        longitude_convention: "-180 to 180", "0 to 360" or "either".
        coverage: "global" or "regional".
        poles_included: whether rows lie at the poles.
        bounds_included: whether the file gives the bounds of the cells.
    """

    kind: str
    rows: int = 1
    columns: int = 1
    latitude: tuple[float, float] | None = None
    longitude: tuple[float, float] | None = None
    latitude_step: float | None = None
    longitude_step: float | None = None
    latitude_order: str = ""
    longitude_convention: str = ""
    coverage: str = ""
    poles_included: bool = False
    bounds_included: bool = False


@dataclass(frozen=True)
class LevelReport:
    """The vertical coordinate.

    Attributes:
        name, units: as in the file.
        kind: "pressure", "height" or "model".
        count: levels.
        first, last: values in the file.
        lowest: whether the "first" or the "last" entry is nearest to the ground, or "unknown".
    """

    name: str
    kind: str
    count: int
    units: str
    first: float | None
    last: float | None
    lowest: str


@dataclass(frozen=True)
class TimeReport:
    """The times of all files of a series together.

    Attributes:
        calendar: "standard", "noleap", "360_day", …
        first, last: ISO text.
        count: distinct times.
        step: seconds between them (median); None for a single time.
        step_text: the same in words.
        gaps: what is missing, one text for each gap.
        missing: steps that are missing altogether.
        duplicates: times beyond the first of their kind.
        unsorted_files: files whose times do not ascend.
    """

    calendar: str
    first: str
    last: str
    count: int
    step: float | None
    step_text: str
    gaps: tuple[str, ...] = ()
    missing: int = 0
    duplicates: int = 0
    unsorted_files: int = 0


@dataclass(frozen=True)
class DatasetReport:
    """One dataset of a station network.

    Attributes:
        dataset, site, site_name, project, laboratory, selection_tag: who measured what.
        latitude, longitude: nominal place in degrees; elevation, intake_height in metres.
        is_mobile, is_monthly_mean: kind of measurement.
        valid: measurements that no flag rejects.
        representative: that also stand for large scales, at hours of well-mixed air.
        first, last: ISO text of the valid ones.
        longest_gap_days: between two valid ones.
        minimum, maximum: of the valid ones, in the unit of the report.
    """

    dataset: str
    site: str
    site_name: str
    project: str
    laboratory: str
    selection_tag: str
    latitude: float
    longitude: float
    elevation: float
    intake_height: float
    is_mobile: bool
    is_monthly_mean: bool
    valid: int
    representative: int
    first: str | None
    last: str | None
    longest_gap_days: float | None
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class StationReport:
    """A network of stations.

    Attributes:
        tracer: lower-case formula.
        units: of the values below and of what `co2phys data prepare stations` writes.
        records: in the files, missing ones included.
        valid, representative: as for `DatasetReport`.
        rejected: records by the reason for which the selection "representative" leaves them out.
        sites: how many.
        without_position: datasets that have no place.
        datasets: every dataset, at every height.
    """

    tracer: str
    units: str
    records: int
    valid: int
    representative: int
    rejected: Mapping[str, int]
    sites: int
    without_position: int
    datasets: tuple[DatasetReport, ...] = ()


@dataclass(frozen=True)
class Report:
    """What is known of one series of files, or of one file that cannot be read.

    Attributes:
        kind: see `Kind`.
        product: such as "CarbonTracker", "CMIP6", "ObsPack".
        title: one line.
        identity: release, model, experiment, member, table and the like, as far as they are known.
        files: paths.
        bytes: size of all files.
        grid, time, stations: None where there is none.
        levels: every vertical coordinate of the variables that a store has a place for.
        variables: of the first file, those that a store has a place for first.
        problems: the gravest first.
        uses: what the files are good for.
    """

    kind: Kind
    product: str
    title: str
    files: tuple[str, ...]
    bytes: int = 0
    identity: Mapping[str, str] = field(default_factory=dict)
    grid: GridReport | None = None
    levels: tuple[LevelReport, ...] = ()
    time: TimeReport | None = None
    stations: StationReport | None = None
    variables: tuple[VariableReport, ...] = ()
    problems: tuple[Problem, ...] = ()
    uses: tuple[Use, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report with every key, for JSON."""
        return asdict(self)
