"""What the files of a checkpoint may hold: everything is looked at before it is believed.

A checkpoint may come from a stranger, or half of it from a broken disk. Nothing in it can name a
file to read or code to run, and no number in it makes anything large: sizes are compared with those
of the tensors that are really there before a network is made.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    ValidationError,
    field_validator,
)
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from co2net_phys.architectures import ARCHITECTURES
from co2net_phys.baselines import build_baseline
from co2net_phys.data.splits import SplitName, check_split, intervals
from co2net_phys.errors import DataError
from co2net_phys.families import MODELS, family_of
from co2net_phys.learned_model import LearnedModel
from co2net_phys.network import Network
from co2net_phys.run_options import RunOptions

LARGEST_METADATA = 2**24
"""Bytes of metadata that are read; a run writes some kilobytes."""

LARGEST_AXIS = 100_000
"""Frames, rows or columns of a window; the Earth has 40,000 km."""

LONGEST_SPACING_S = 100 * 366 * 86400.0
"""Between frames."""

LARGEST_RANDOM_STATE = 2**16
"""Bytes that hold the state of a random generator; torch's has 5056."""

Form = tuple[str, tuple[int, ...]]
"""Type, as safetensors calls it, and shape of a tensor."""

TYPES = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip

SCALAR: Form = ("F32", ())
MOMENTS = ("exp_avg", "exp_avg_sq")
"""Of AdamW, beside its count of steps."""

Code = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Between = Annotated[list[str], Field(min_length=2, max_length=2)]
Axis = Annotated[list[FiniteFloat], Field(max_length=LARGEST_AXIS)]


class Contents(dict[str, Any]):
    """Metadata of a checkpoint, or its options; what is asked for and missing is explained."""

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, key: str) -> NoReturn:
        raise DataError(f"{self.path}: no {key!r}; give the folder of a run of `co2phys train`")


class _Progress(BaseModel):
    """Where the run was."""

    model_config = ConfigDict(strict=True, extra="forbid")

    epoch: NonNegativeInt
    batch: Annotated[int, Field(ge=0, lt=2**31)]
    best: FiniteFloat | None
    stale: NonNegativeInt = 0
    plateau: NonNegativeInt = 0
    reductions: NonNegativeInt = 0
    sums: dict[str, FiniteFloat] = Field(default_factory=dict)


class _Metadata(BaseModel):
    """Types of what other code reads; a network alone has only the first four."""

    model_config = ConfigDict(strict=True, extra="allow")

    architecture: str = "co2net"
    model: dict[str, Any]
    background: dict[str, Any] | None
    sha256: dict[str, str]
    config: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    progress: _Progress = _Progress(epoch=0, batch=0, best=None)
    split: dict[SplitName, Between | Annotated[list[Between], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    training_stations: list[Code] = Field(default_factory=list)
    held_out_stations: list[Code] = Field(default_factory=list)
    latitude: Axis | None = None
    longitude: Axis | None = None

    @field_validator("architecture")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(f"is not one of {', '.join(MODELS)}")
        return name


def read_metadata(path: Path) -> Contents:
    """Return the metadata in a JSON file; each known entry has its type, and none is too large.

    Raises
    ------
    DataError, UsageError, OSError, ValueError
        It cannot be read, or makes no sense.
    """
    _require_file(path)
    with path.open("rb") as file:
        text = file.read(LARGEST_METADATA + 1)
    if len(text) > LARGEST_METADATA:
        raise DataError(f"{path.name}: more than {LARGEST_METADATA} bytes are no metadata")
    content = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    if not isinstance(content, dict):
        raise DataError(f"{path.name}: is not an object")
    try:
        read = _Metadata.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path.name}: {where}: {first['msg'].lower()}") from error
    check_split({name: intervals(block) for name, block in read.split.items()})
    config = _checked_options(read.architecture, read.config)
    if read.progress.epoch > config.epochs:
        raise DataError(f"{path.name}: progress.epoch: more than the {config.epochs} of the run")
    _require_inputs(path, read.provenance)
    if "config" in content:
        content["config"] = Contents(content["config"], path)
    return Contents(content, path)


def make_model(metadata: Mapping[str, Any]) -> LearnedModel:
    """Return the model that metadata describe, its weights still random."""
    background = metadata["background"]
    name = metadata.get("architecture", "co2net")  # the only one there once was
    kind = MODELS[name]
    config = kind.config(**metadata["model"])
    if name not in ARCHITECTURES:
        if background is not None:
            raise DataError(f"background: {kind.title} has none")
        made: LearnedModel = kind.network(config)
        return made
    return ARCHITECTURES[name].network(
        config, None if background is None else build_baseline(background)
    )


def described_model(metadata: Mapping[str, Any]) -> LearnedModel:
    """Return the same model without memory, whatever the size that the metadata ask for.

    Raises
    ------
    DataError, UsageError
        A number is out of all bounds, or contradicts another.
    """
    model = metadata["model"]
    for name in ("frames", "grid", "patch"):
        given = model.get(name, 1)
        numbers = given if isinstance(given, list) else [given]
        if not all(isinstance(n, int) and 0 < n <= LARGEST_AXIS for n in numbers):
            raise DataError(
                f"model.{name}: {str(given)[:40]} is no number from 1 to {LARGEST_AXIS}"
            )
    with torch.device("meta"):
        made = make_model(metadata)
    if not isinstance(made, Network):
        return made
    if not 0 < made.config.frame_spacing_s <= LONGEST_SPACING_S:
        raise DataError(f"model.frame_spacing_s: {made.config.frame_spacing_s:g} s are no spacing")
    for name, cells in zip(("latitude", "longitude"), made.config.grid, strict=True):
        if metadata.get(name) is not None and len(metadata[name]) != cells:
            raise DataError(f"{name}: has {len(metadata[name])} values, the grid {cells}")
    return made


def weight_forms(model: LearnedModel) -> dict[str, Form]:
    """Form of every tensor in the file of weights."""
    return {name: _form(tensor) for name, tensor in model.state_dict().items()}


def training_forms(model: LearnedModel, *, averaged: bool) -> dict[str, Form]:
    """Form of every tensor that a resume needs of the network's own weights."""
    forms: dict[str, Form] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            forms |= {f"optimiser.model.{name}/{moment}": _form(weight) for moment in MOMENTS}
            forms[f"optimiser.model.{name}/step"] = SCALAR
        if averaged:
            forms[f"average.{name}"] = _form(weight)
    if averaged:
        forms["average.steps"] = ("I64", ())
    return {**forms, "random.cpu.0": _form(torch.get_rng_state())}


def is_training_tensor(name: str, form: Form) -> bool:
    """Whether a resume may find this as well: weights of losses, random states of processes."""
    if re.fullmatch(r"random\.(cpu|cuda)\.\d+", name):
        kind, shape = form
        return kind == "U8" and len(shape) == 1 and shape[0] <= LARGEST_RANDOM_STATE
    loss = rf"objective\.uncertainty\.\w+(/(step|{'|'.join(MOMENTS)}))?"
    return form == SCALAR and re.fullmatch(rf"(optimiser\.)?{loss}", name) is not None


def read_tensors(
    path: Path,
    checksum: str | None,
    needed: Mapping[str, Form],
    allowed: Callable[[str, Form], bool] = lambda name, form: False,
) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file: those `needed`, and others that are `allowed`.

    Names, types, shapes and the checksum are compared before anything is loaded.

    Raises
    ------
    DataError, OSError
        It is another kind of file, or holds something else.
    """
    _require_file(path)
    found = _forms_in(path)
    missing = sorted(needed.keys() - found.keys())
    if missing:
        raise DataError(f"{path.name}: no tensor {missing[0]!r}")
    for name, form in found.items():
        if name not in needed and not allowed(name, form):
            raise DataError(f"{path.name}: a tensor {name[:80]!r} has no place in this network")
        if form != needed.get(name, form):
            raise DataError(f"{path.name}: {name!r} is {_said(form)}, not {_said(needed[name])}")
    if checksum != checksum_of(path):
        raise DataError(f"{path.name}: checksum differs from that in the metadata")
    return dict(load_file(path))


def require_finite(path: Path, weights: Mapping[str, Tensor], names: Iterable[str]) -> None:
    """Refuse weights that would make every field NaN; a run that diverged may have saved them.

    Raises
    ------
    DataError
        naming the first.
    """
    for name in names:
        if not bool(torch.isfinite(weights[name]).all()):
            raise DataError(f"{path.name}: {name!r} has values that are not finite")


def require_random_states(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse bytes that are no state of a random generator.

    Raises
    ------
    DataError
        naming the tensor.
    """
    for name, state in tensors.items():
        if name.startswith("random.cpu."):
            try:
                torch.Generator().set_state(state)
            except RuntimeError as error:
                raise DataError(
                    f"{path.name}: {name!r} is no state of a random generator"
                ) from error


def checksum_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_file(path: Path) -> None:
    """A link could lead anywhere, a pipe never end."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise DataError(f"{path.name}: is a link or no file at all; put the file itself there")


def _forms_in(path: Path) -> dict[str, Form]:
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (s.get_dtype(), tuple(s.get_shape())) for name, s in slices.items()}
    except SafetensorError as error:
        raise DataError(f"{path.name}: not a whole safetensors file ({error})") from error


def _form(tensor: Tensor) -> Form:
    return TYPES[tensor.dtype], tuple(tensor.shape)


def _said(form: Form) -> str:
    kind, shape = form
    return f"{kind} {list(shape)}"


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:20]} is not finite")


def _checked_options(model: str, options: Mapping[str, Any]) -> RunOptions:
    """Options as far as this version knows them: another one may have had more."""
    kind = family_of(model).options
    known = {name: value for name, value in options.items() if name in kind.model_fields}
    return kind.validated({"architecture": model, **known})


def _require_inputs(path: Path, provenance: Mapping[str, Any]) -> None:
    """The checksums of inputs are a JSON object within the JSON."""
    inputs = json.loads(provenance.get("co2phys_input_sha256", "{}"))
    if not isinstance(inputs, dict):
        raise DataError(f"{path.name}: provenance.co2phys_input_sha256: is not an object")
