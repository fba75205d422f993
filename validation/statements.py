"""Every statement that `co2phys validate` judges, by topic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from co2net_phys.errors import UsageError
from co2net_phys.validation.adjoint import STATEMENTS as ADJOINT
from co2net_phys.validation.conservation import STATEMENTS as CONSERVATION
from co2net_phys.validation.convergence import STATEMENTS as CONVERGENCE
from co2net_phys.validation.harmonic_series import STATEMENTS as HARMONIC_SERIES
from co2net_phys.validation.network_representation import STATEMENTS as NETWORK_REPRESENTATION
from co2net_phys.validation.observability import STATEMENTS as OBSERVABILITY
from co2net_phys.validation.operators import STATEMENTS as OPERATORS
from co2net_phys.validation.slepian import STATEMENTS as SLEPIAN
from co2net_phys.validation.statement import Statement, Verdict
from co2net_phys.validation.station_sampling import STATEMENTS as STATION_SAMPLING
from co2net_phys.validation.superposition import STATEMENTS as SUPERPOSITION
from co2net_phys.validation.wind_identifiability import STATEMENTS as WIND_IDENTIFIABILITY


@dataclass(frozen=True)
class Topic:
    """Statements about one thing, in the order in which they are judged."""

    title: str
    statements: tuple[Statement, ...]


TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        "superposition": Topic("Proposition 1: superposition, time-invariance", SUPERPOSITION),
        "harmonic-series": Topic("Theorem 2: the spherical-harmonic series", HARMONIC_SERIES),
        "slepian": Topic("Theorem 2: from an open set to the sphere", SLEPIAN),
        "station-sampling": Topic("Theorem 2: stations are points", STATION_SAMPLING),
        "observability": Topic("Theorem 2: what a time window adds", OBSERVABILITY),
        "wind-identifiability": Topic("Theorem 3: wind from tracers", WIND_IDENTIFIABILITY),
        "network-representation": Topic(
            "Theorem 4: what a network can represent", NETWORK_REPRESENTATION
        ),
        "operators": Topic("Numerics: operators against closed forms", OPERATORS),
        "convergence": Topic("Numerics: orders of convergence", CONVERGENCE),
        "conservation": Topic("Numerics: what transport keeps", CONSERVATION),
        "adjoint": Topic("Numerics: adjoint and gradients", ADJOINT),
    }
)
"""Topics in the order of the paper, then the numerics."""


def selected_topics(names: Sequence[str] = ()) -> dict[str, Topic]:
    """Topics with the statements called for by ``names``, of topics or statements; all if none.

    Raises:
        UsageError: an unknown name.
    """
    known = {*TOPICS, *(s.name for topic in TOPICS.values() for s in topic.statements)}
    for name in names:
        if name not in known:
            raise UsageError(f"--only {name!r}: no such topic or statement; --list shows them")
    if not names:
        return dict(TOPICS)
    chosen = {}
    for name, topic in TOPICS.items():
        kept = tuple(s for s in topic.statements if name in names or s.name in names)
        if kept:
            chosen[name] = Topic(topic.title, kept)
    return chosen


def judge(topics: Mapping[str, Topic]) -> Iterator[tuple[str, Verdict]]:
    """Measure the statements one by one: name of the topic, verdict."""
    for name, topic in topics.items():
        for statement in topic.statements:
            yield name, statement.judge()
