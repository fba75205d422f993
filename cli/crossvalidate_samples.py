"""`co2phys crossvalidate --samples`: methods that fill maps of XCO2, and what splits leak."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from co2net_phys.cli import console
from co2net_phys.cli.option_sources import naming_source
from co2net_phys.errors import UsageError

if TYPE_CHECKING:
    from co2net_phys.satellite.crossvalidation import Outcome
    from co2net_phys.satellite.folds import Blocks
    from co2net_phys.satellite.models import FusionRunOptions
    from co2net_phys.satellite.points import Method

NETWORK = "resnet-lstm"
NETWORKS = "networks"
"""Folder in that of the report, with the runs of the networks."""


@dataclass(frozen=True)
class Request:
    """What the command was asked for; see its options."""

    samples: Path
    methods: str | None
    schemes: str | None
    folds: int | None
    hold_out: float | None
    network_config: Path | None
    seed: int
    report: Path | None
    resume: bool
    overwrite: bool
    dry_run: bool
    as_json: bool


def crossvalidate_samples(options: Mapping[str, Any], given: set[str]) -> None:
    """Predict samples that methods have not seen, left out in several ways.

    Args:
        options: of the command, by name.
        given: names of those that stand on the command line.

    Raises
    ------
    UsageError
        An unknown method or scheme, or options that exclude each other.
    """
    known = [field.name for field in fields(Request)]
    for name in sorted(given - {*known}):
        option = name.replace("_", "-")
        raise UsageError(f"--{option} has no effect with --samples; leave it out")
    _crossvalidate(Request(**{name: options[name] for name in known}))


def _crossvalidate(request: Request) -> None:
    from co2net_phys.satellite.crossvalidation import FOLDS, SCHEMES, crossvalidate, splits_of
    from co2net_phys.satellite.sample_store import read_samples

    names = _names(request)
    schemes: Any = SCHEMES if request.schemes is None else tuple(request.schemes.split(","))
    _check(request)
    samples = read_samples(request.samples).samples
    options = _network_options(request)
    folds = request.folds or FOLDS
    if request.dry_run:
        splits = splits_of(samples, schemes, folds, request.seed, share=request.hold_out)
        fits = {scheme: len(parts) for scheme, parts in splits.items()}
        _say_plan(request, len(samples), names, fits)
        return
    with ExitStack() as stack:
        methods = _methods(names, options, request, stack)
        bar = stack.enter_context(console.progress("crossvalidate", 1000))
        outcome = crossvalidate(
            samples, methods, schemes, folds, request.seed,
            share=request.hold_out,
            progress=lambda what, share: bar.update(round(1000 * share), what),
        )  # fmt: skip
    _give(outcome, request)


def _names(request: Request) -> list[str]:
    from co2net_phys.satellite.methods import RIVALS

    known = [NETWORK, *RIVALS]
    names = known if request.methods is None else request.methods.split(",")
    for name in names:
        if name not in known:
            raise UsageError(f"--methods {name!r}: choose of {', '.join(known)}")
    return names


def _check(request: Request) -> None:
    from co2net_phys.evaluation_report import require_free

    if request.folds is not None and request.hold_out is not None:
        raise UsageError("--folds and --hold-out exclude each other; give one")
    if request.resume and (request.overwrite or request.report is None):
        raise UsageError("--resume goes on with the networks of --report, without --overwrite")
    report = request.report
    if report is not None:
        if report.suffix:
            raise UsageError(f"--report {report}: name a folder, for a page and the networks")
        require_free(report, overwrite=request.overwrite or request.resume)
        has_runs = any((report / NETWORKS).glob("*"))
        if has_runs and not (request.resume or request.overwrite or request.dry_run):
            raise UsageError(f"{report}: already holds networks; pass --resume or --overwrite")


def _network_options(request: Request) -> FusionRunOptions:
    from co2net_phys.config_file import read_options
    from co2net_phys.satellite.models import FusionRunOptions

    file = request.network_config
    given = {} if file is None else read_options(file)
    with naming_source(file):
        return FusionRunOptions.validated({"seed": request.seed, **given})


def _methods(
    names: list[str], options: FusionRunOptions, request: Request, stack: ExitStack
) -> Mapping[str, Method]:
    """Methods by name; networks end with their state saved when Ctrl-C or SIGTERM comes."""
    from co2net_phys.satellite.crossvalidation import LearnedFusion
    from co2net_phys.satellite.methods import RIVALS

    found: dict[str, Method] = {}
    for name in names:
        if name != NETWORK:
            found[name] = RIVALS[name](request.seed)
            continue
        from co2net_phys.cli.stopping import stopping
        from co2net_phys.fusion_crossvalidation import NetworkTraining

        if request.report is not None:
            folder = request.report / NETWORKS
        else:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="co2phys-")))
        should_stop = stack.enter_context(stopping(folder))
        train = NetworkTraining(
            options, folder, console.command_line(), should_stop, request.resume
        )
        # What the scheme leaves out, unless the file of options says something else.
        is_chosen = "hold_out_blocks" in options.model_fields_set
        blocks = options.hold_out_blocks if is_chosen else None
        found[name] = LearnedFusion(train, options.hold_out, blocks, options.hold_out_seed)
    return found


def _say_plan(request: Request, samples: int, names: list[str], fits: Mapping[Blocks, int]) -> None:
    """Give the plan of a run; `fits` are those of one method by scheme."""
    schemes = list(fits)
    plan = {"samples": samples, "methods": names, "schemes": schemes}
    plan |= {"fits_of_each": fits[schemes[0]], "fits": sum(fits.values()) * len(names)}
    text = {name.replace("_", " "): value for name, value in plan.items()}
    text |= {"methods": ", ".join(names), "schemes": ", ".join(schemes)}
    console.give(plan, request.as_json, console.rows({**text, "written": "nothing (dry run)"}))


def _give(outcome: Outcome, request: Request) -> None:
    from co2net_phys.assessed import Assessed, write_assessed
    from co2net_phys.satellite.crossvalidation import FOLDS, leak_rows, score_rows
    from co2net_phys.satellite.crossvalidation_text import sections_of, text_of

    rows = score_rows(outcome)
    is_paired = request.hold_out is None and "sample" in outcome.predictions
    leaks = leak_rows(outcome) if is_paired else []
    found = {
        "samples": len(outcome.samples),
        "seed": request.seed,
        "folds": None if request.hold_out is not None else request.folds or FOLDS,
        "hold_out": request.hold_out,
        "scores": rows,
        "leak": leaks,
    }
    text = text_of(rows, leaks)
    if request.report is not None:
        assessed = Assessed(found, text, sections_of(rows, leaks))
        title = f"Cross-validation of {request.samples}"
        for path in write_assessed(request.report, title, assessed):
            console.say(f"wrote {path}")
    console.give(found, request.as_json, text)
