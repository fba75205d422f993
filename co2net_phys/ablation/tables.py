"""The ablation tables of the CO2-Net paper (5, 6, 16), and one of the losses it does not have.

A table holds variants of one run, which differ in the options named and in nothing else. Where the
paper's table has rows of other models, ours has those of CO2-Net; its data set is the store's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from co2net_phys.config import TrainingConfig
from co2net_phys.errors import UsageError
from co2net_phys.model_config import CO2NetConfig

Options = Mapping[str, Any]
"""Options of `TrainingConfig`, those of the network with "model." before the name."""

NO_WIND_LOSS: Options = MappingProxyType({"wind_weight": 0.0})


@dataclass(frozen=True)
class Variant:
    """One row of a table: its label, and the options that make it."""

    label: str
    options: Options

    @property
    def key(self) -> str:
        """Name of the variant's folder; that of the same options in another table as well."""
        parts = [
            f"{name.removeprefix('model.')}-{_text(value)}"
            for name, value in sorted(self.options.items())
        ]
        return "_".join(parts) or "base"

    def over(self, base: TrainingConfig) -> Variant:
        """Return this variant with nothing but what differs from `base`."""
        network = {name: field.default for name, field in CO2NetConfig.model_fields.items()}
        had = {f"model.{name}": value for name, value in (network | base.model).items()}
        had |= base.model_dump(mode="json")
        differing = {name: value for name, value in self.options.items() if had[name] != value}
        return Variant(self.label, differing)

    def config(self, base: TrainingConfig, seed: int) -> TrainingConfig:
        """Return the options of one run: those of `base` with the variant's.

        Raises
        ------
        UsageError
            The options contradict one another.
        """
        options = base.model_dump(mode="json") | {"seed": seed}
        options["model"] = dict(base.model)
        for name, value in self.options.items():
            group, _, inner = name.rpartition(".")
            (options["model"] if group else options)[inner] = value
        return TrainingConfig.validated(options)


@dataclass(frozen=True)
class Ablation:
    """One table: its number in the paper, what it shows, and its rows.

    The first row is the one that the others are compared with.
    """

    name: str
    title: str
    variants: tuple[Variant, ...]


def _rows(common: Options, rows: Mapping[str, Options]) -> tuple[Variant, ...]:
    return tuple(Variant(label, {**common, **options}) for label, options in rows.items())


def _without(*names: str) -> Options:
    """Options that take auxiliaries away; the wind loss needs both components of the wind."""
    return {"without": list(names), **(NO_WIND_LOSS if {*names} & {"uas", "vas"} else {})}


_EXPERTS = _rows(
    NO_WIND_LOSS,
    {
        "both experts, connected": {},
        "both experts, not connected": {"model.connection": "none"},
        "spatial expert only": {"model.experts": "spatial", "model.connection": "none"},
        "temporal expert only": {"model.experts": "temporal", "model.connection": "none"},
    },
)
_EMBEDDING = _rows(
    NO_WIND_LOSS,
    {
        "wind": {},
        "ClimODE": {"model.embedding": "climode"},
        "none": {"model.embedding": "none"},
    },
)
_WIND_LOSS = (Variant("with", {}), Variant("without", NO_WIND_LOSS))
_REMOVED: Mapping[str, Options] = {
    "nothing": {},
    "the wind loss only": NO_WIND_LOSS,
    "uas": _without("uas"),
    "vas": _without("vas"),
    "uas, vas": _without("uas", "vas"),
    "huss": _without("huss"),
    "ps": _without("ps"),
    "tas": _without("tas"),
    "uas, vas, huss, ps, tas": _without("uas", "vas", "huss", "ps", "tas"),
    "gph": _without("gph"),
    "oro": _without("oro"),
    "gph, oro": _without("gph", "oro"),
}
_RESIDUAL, _MASS = {"residual_weight": 1.0}, {"mass_weight": 10.0}
_ONLY_LOGGED = {"residual_weight": 1e-9}

ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        table.name: table
        for table in (
            Ablation("5a", "experts and their connection, without the wind loss", _EXPERTS),
            Ablation("5b", "embedding, without the wind loss", _EMBEDDING),
            Ablation("5c", "wind loss", _WIND_LOSS),
            Ablation(
                "6a",
                "frames in a window",
                _rows({}, {str(n): {"model.frames": n} for n in (8, 2, 4, 16, 32)}),
            ),
            Ablation(
                "6b",
                "steps of the store from one frame of a window to the next",
                _rows({}, {str(n): {"sample_every": n} for n in (1, 2, 3, 4, 6, 8, 12, 16)}),
            ),
            Ablation("6c", "auxiliaries removed", _rows({}, _REMOVED)),
            Ablation("16a", "embedding, without the wind loss", _EMBEDDING),
            Ablation("16b", "wind loss", _WIND_LOSS),
            Ablation(
                "16c",
                "weight λ of the wind loss",
                _rows({}, {str(x): {"wind_weight": x} for x in (0.2, 0.1, 0.5, 1.0, 2.0)}),
            ),
            Ablation(
                "losses",
                "losses beside the supervised one (not in the paper)",
                (
                    Variant("none", NO_WIND_LOSS),
                    Variant("wind", {}),
                    Variant("none, residual and mass logged", {**NO_WIND_LOSS, **_ONLY_LOGGED}),
                    Variant("residual", {**NO_WIND_LOSS, **_RESIDUAL}),
                    Variant("mass", {**NO_WIND_LOSS, **_MASS}),
                    Variant("wind, residual, mass", {**_RESIDUAL, **_MASS}),
                ),
            ),
        )
    }
)
"""Every table by its name. 16a and 16b are 5b and 5c on the paper's other data set."""


def chosen(names: Iterable[str]) -> tuple[Ablation, ...]:
    """Return the tables called `names`; "5" stands for 5a, 5b and 5c.

    Raises
    ------
    UsageError
        There is no such table.
    """
    found: dict[str, Ablation] = {}
    for name in names:
        matching = [table for key, table in ABLATIONS.items() if name in (key, key.rstrip("abc"))]
        if not matching:
            raise UsageError(f"no table {name!r}; choose from {', '.join(ABLATIONS)}, or 5, 6, 16")
        found |= {table.name: table for table in matching}
    return tuple(found.values())


def variants_of(tables: Sequence[Ablation], base: TrainingConfig) -> dict[str, Variant]:
    """Return the variants of all tables over `base`, each once, by their key."""
    every = (variant.over(base) for table in tables for variant in table.variants)
    return {variant.key: variant for variant in every}


def _text(value: Any) -> str:
    return "+".join(value) if isinstance(value, list) else f"{value}"
