"""Options of `co2phys train`, from the command line and from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from co2net_phys.cli import console
from co2net_phys.errors import UsageError

OPTIONS = {
    **dict.fromkeys(
        ("frames", "embedding", "experts", "connection", "head", "spatial_frames"), "model"
    ),
    **dict.fromkeys(
        ("mask_channel", "withhold_wind", "predict_variance", "target_variable"), "model"
    ),
    **dict.fromkeys(
        ("architecture", "size", "background", "epochs", "windows_per_epoch", "batch_size"), ""
    ),
    **dict.fromkeys(("learning_rate", "weight_decay", "wind_weight", "residual_weight"), ""),
    **dict.fromkeys(("mass_weight", "target", "validate_every", "training_stations"), ""),
    **dict.fromkeys(("station_dropout", "sample_every", "without"), ""),
    **dict.fromkeys(("seed", "device", "precision", "series_on_device"), ""),
}
"""Group of the configuration that an option of the command belongs to."""


def options_of(context: typer.Context, file: Path | None, settings: list[str]) -> dict[str, Any]:
    """Those of `--set`, over those of the command, over those of a file, over the defaults.

    The defaults are the command's for CO2-Net; others have their own, which their options know.
    """
    from co2net_phys.architectures import ARCHITECTURES
    from co2net_phys.config import usual_batch
    from co2net_phys.config_file import read_options

    in_file = read_options(file) if file is not None else {}
    given = {name for name in OPTIONS if is_given(context, name)}
    model = _architecture(context, in_file, settings)
    if model not in ARCHITECTURES:
        return _options_of_system(model, context, given, in_file, settings)
    is_rival = model != "co2net"
    options: dict[str, Any] = {"model": {}}
    for name, group in OPTIONS.items():
        if name in given or not is_rival:
            (options[group] if group else options)[name] = context.params[name]
    for name, value in in_file.items():
        if name == "model" and isinstance(value, dict):
            options["model"] |= {key: part for key, part in value.items() if key not in given}
        elif name not in given:
            options[name] = value
    options["without"] = options.get("without") or ()
    if not is_rival:
        if options["batch_size"] is None:
            options["batch_size"] = usual_batch(options["size"])
        if options["model"]["experts"] != "both":
            options["model"]["connection"] = "none"
            if options["model"]["experts"] == "spatial":
                options["wind_weight"] = 0.0
    return console.with_settings(options, settings)


def _options_of_system(
    model: str,
    context: typer.Context,
    given: set[str],
    in_file: dict[str, Any],
    settings: list[str],
) -> dict[str, Any]:
    """Options of a model that learns something else; those of surface fields are refused.

    Raises
    ------
    UsageError
        An option of the command has no meaning for the model.
    """
    from co2net_phys.families import MODELS, family_of

    if model not in MODELS:
        raise UsageError(f"architecture: {model!r} is not one of {', '.join(MODELS)}")
    known = family_of(model).options.model_fields
    for name in sorted(given):
        if OPTIONS[name] or name not in known:
            option = "model" if name == "architecture" else name.replace("_", "-")
            raise UsageError(f"--{option} has no effect with --model {model}; leave it out")
    options = in_file | {name: context.params[name] for name in given} | {"architecture": model}
    return console.with_settings(options, settings)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _architecture(context: typer.Context, in_file: dict[str, Any], settings: list[str]) -> str:
    """Name of the network that is asked for, wherever that is said."""
    said = context.params["architecture"]
    if not is_given(context, "architecture"):
        said = in_file.get("architecture", said)
    return str(console.with_settings({"architecture": said}, settings)["architecture"])
