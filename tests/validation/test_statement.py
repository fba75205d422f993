"""A statement beside its findings, and how many of them are counted as what."""

import dataclasses
import math

import pytest

from co2net_phys.validation.finding import find
from co2net_phys.validation.findings_report import details, summary
from co2net_phys.validation.statement import READINGS, Statement, tally
from co2net_phys.validation.statements import TOPICS


def check(measured, bound=1.0):
    return lambda: find("name", "claim", "source", measured, bound, "note")


def statement(printed=None, reading="printed", corrected=0.5, **options):
    right = None if printed is None else check(printed)
    return Statement("name", "R1", "claim", check(corrected), right, reading=reading, **options)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (statement(), True),
        (statement(corrected=2.0), False),
        (statement(corrected=math.nan), False),
        (statement(printed=2.0), True),
        (statement(printed=2.0, margin=3.0), False),
        (statement(printed=0.5), False),
        (statement(printed=math.nan), False),
        (statement(printed=0.5, printed_holds=True), True),
        (statement(printed=2.0, printed_holds=True), False),
    ],
)
def test_what_counts_as_documented(made, expected):
    assert made.judge().is_as_documented is expected


def test_each_reading_is_counted_by_itself():
    made = [
        statement(),
        statement(printed=2.0),
        statement(printed=2.0, corrected=3.0),
        statement(printed=0.5),
        statement(printed=2.0, reading="implied"),
        statement(printed=2.0, reading="code"),
    ]
    assert tally([each.judge() for each in made]) == (
        "5 of 6 statements hold as corrected. "
        "What fails of the paper: 2 as printed, 1 as implied, 1 as coded"
    )


def test_the_reading_is_in_the_file_and_not_in_the_row():
    verdict = statement(printed=2.0, reading="code").judge()
    assert details("topic", verdict)["reading"] == "code"
    assert details("topic", statement().judge())["reading"] is None
    expected = ["name", "claim", "printed_holds", "corrected_holds", "measured", "bound"]
    assert list(summary(verdict)) == expected


def test_readings_are_known_ones():
    statements = [each for topic in TOPICS.values() for each in topic.statements]
    assert {each.reading for each in statements} <= set(READINGS)
    alone = [each for each in statements if each.printed is None]
    assert all(each.reading == "printed" for each in alone), "a reading of nothing"


def test_statements_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        statement().reading = "code"
