"""What the commands do with fusion networks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from co2net_phys.assessed import Assessed
from co2net_phys.data.opening import open_dataset
from co2net_phys.data.writer_identity import INPUTS
from co2net_phys.devices import choose_device
from co2net_phys.distributed import Team
from co2net_phys.errors import DataError, UsageError
from co2net_phys.provenance import named_inputs, sha256_of
from co2net_phys.satellite import assess_maps, assess_samples
from co2net_phys.satellite.covariate_store import Covariates, covariate_files, open_covariates
from co2net_phys.satellite.folds import Fold, block_labels, hold_out
from co2net_phys.satellite.map_store import DailyMaps
from co2net_phys.satellite.maps import write_maps
from co2net_phys.satellite.models import FusionRunOptions
from co2net_phys.satellite.network import EnsemblePredictor, NetworkPredictor, ResNetLSTM
from co2net_phys.satellite.points import Days, Samples
from co2net_phys.satellite.region import Region, days_between
from co2net_phys.satellite.sample_store import SampleStore, holds_samples, read_samples
from co2net_phys.satellite.schema import feature_names
from co2net_phys.satellite.task import FusionTask
from co2net_phys.system import Request, Trained

CHOICES = ("region", "spacing", "start", "end", "resume")
"""Options of `co2phys reconstruct` that have a meaning here."""

LEARNED_FROM = "co2phys_samples"
"""Attribute of maps: samples that the network learned from, and which of them it validated with."""


def task_of(options: FusionRunOptions, data: Path, team: Team) -> FusionTask:
    """Return what a network learns from a store of samples."""
    store = read_samples(data)
    split = held_out(store.samples, options.model_dump())
    training, validation = (store.samples.at(part) for part in split)
    return FusionTask(options, training, validation, team, _description(store, split, options))


def reconstruct(trained: Trained, data: Path, output: Path, request: Request) -> dict[str, Any]:
    """Write daily maps of XCO2, the mean of all members, from a store or a folder of covariates.

    Region and days are those of the training unless the command says others.

    Raises
    ------
    UsageError
        An option without meaning here, or covariates that give other features.
    DataError
        The covariates do not cover region and days, or the output cannot be written.
    """
    choices = request.choices
    request.refuse_all_but(CHOICES, "a fusion network")
    networks = [model for model in trained.models if isinstance(model, ResNetLSTM)]
    region, days = _region(choices, trained.metadata), _days(choices, trained.metadata)
    files = covariate_files(data)
    covariates = open_covariates(*files, region=region)
    for network in networks:
        _require_features(network, covariates)
    device = choose_device(request.device)
    members = [NetworkPredictor(network.to(device)) for network in networks]
    learned_from = {name: trained.metadata.get(name) for name in ("samples", "hold_out")}
    write_maps(
        EnsemblePredictor(members), covariates, region, days, output,
        attributes={
            **request.attributes,
            LEARNED_FROM: json.dumps(learned_from),
            INPUTS: _checksums(request.attributes, files),
        },
        overwrite=request.overwrite,
        resume=bool(choices.get("resume", False)),
        progress=request.progress,
    )  # fmt: skip
    rows, columns = region.shape
    return {"days": len(days), "rows": rows, "columns": columns}


def assess(predictions: Sequence[Path], truth: Path) -> Assessed:
    """Score maps against true maps, or against a store of samples.

    Further predictions are stores of samples: each satellite alone, which the maps should beat.

    Raises
    ------
    DataError
        A file is of another kind, region or period.
    UsageError
        Satellites are given but the truth is one of samples.
    """
    maps, rivals = DailyMaps.open(predictions[0]), predictions[1:]
    with open_dataset(truth) as data:
        against_samples = holds_samples(data)
    if not against_samples:
        stores = {path.stem: read_samples(path).samples for path in rivals}
        return assess_maps.assess(maps, DailyMaps.open(truth), stores)
    if rivals:
        raise UsageError(f"{rivals[0]}: satellites alone need true maps as --truth; leave it out")
    store = read_samples(truth)
    with open_dataset(predictions[0]) as data:
        parts = _parts(store, str(data.attrs.get(LEARNED_FROM, "")))
    return assess_samples.assess(maps, store.samples, parts)


def _checksums(attributes: Mapping[str, Any], covariates: Sequence[Path]) -> str:
    """Checksums of the weights, which the attributes have, and of all values of the covariates."""
    found = json.loads(attributes.get(INPUTS, "{}"))
    files = named_inputs(covariates).items()
    return json.dumps(found | {name: sha256_of(file, with_values=True) for name, file in files})


def held_out(samples: Samples, options: Mapping[str, Any]) -> Fold:
    """Samples that a run with these options learns from, and those that choose its best epoch."""
    labels = block_labels(samples, options["hold_out_blocks"])
    return hold_out(labels, options["hold_out"], options["hold_out_seed"])


def _description(store: SampleStore, split: Fold, options: FusionRunOptions) -> dict[str, Any]:
    """Plain values for the checkpoint; a continued run must have the same."""
    days = store.samples.time
    return {
        "region": asdict(store.region),
        "days": [str(days.min()), str(days.max())],
        "samples": {
            "digest": store.samples.digest,
            "learned_from": len(split.training),
            "validation": len(split.test),
        },
        "hold_out": options.model_dump(include={"hold_out", "hold_out_blocks", "hold_out_seed"}),
    }


def _region(choices: Mapping[str, Any], metadata: Mapping[str, Any]) -> Region:
    known = metadata.get("region")
    if not isinstance(known, dict):
        raise DataError("the checkpoint does not say its region; train the network again")
    learned = Region.from_json(json.dumps(known))
    spacing = float(choices.get("spacing", learned.spacing))
    if "region" in choices:
        return Region.parsed(str(choices["region"]), spacing)
    return Region(learned.west, learned.south, learned.east, learned.north, spacing)


def _days(choices: Mapping[str, Any], metadata: Mapping[str, Any]) -> Days:
    known = metadata.get("days")
    if not (isinstance(known, list) and len(known) == 2):
        raise DataError("the checkpoint does not say its days; train the network again")
    return days_between(str(choices.get("start", known[0])), str(choices.get("end", known[1])))


def _require_features(network: ResNetLSTM, covariates: Covariates) -> None:
    """Refuse other covariates before anything is written."""
    found, wanted = feature_names(covariates.names), network.config.features
    missing, extra = set(wanted) - set(found), set(found) - set(wanted)
    if found != wanted:
        what = f"lack {', '.join(sorted(missing)[:3])}" if missing else ""
        what = what or f"have {', '.join(sorted(extra)[:3])}, which it does not know"
        raise UsageError(
            f"--data: the covariates are not those that the network learned from, they {what}; "
            "give the same covariates as to co2phys data fuse"
        )


def _parts(store: SampleStore, learned_from: str) -> dict[str, np.ndarray[Any, Any]]:
    """Which samples chose the epoch and which were learned from, if they are those of the training.

    What the attribute of the maps does not say, or says of other samples, is "all" samples.
    """
    everything = {"all": np.arange(len(store.samples))}
    try:
        said = json.loads(learned_from)
        if said["samples"]["digest"] != store.samples.digest:
            return everything
        split = held_out(store.samples, said["hold_out"])
    except (ValueError, LookupError, TypeError):
        return everything
    return {"validation": split.test, "training": split.training}
