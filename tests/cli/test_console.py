"""Parsing that the commands share."""

import pytest

from co2net_phys.cli import console
from co2net_phys.errors import UsageError
from co2net_phys.json_text import json_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("48h", 172800), ("3h", 10800), ("60d", 5184000), ("90min", 5400), ("600s", 600)],
)
def test_duration(text: str, seconds: float) -> None:
    assert console.duration(text, "--duration") == seconds


@pytest.mark.parametrize("text", ["", "48", "h", "-3h", "0h", "3 weeks", "nan h"])
def test_duration_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--duration"):
        console.duration(text, "--duration")


def test_zero_duration_only_where_allowed() -> None:
    assert console.duration("0d", "--spin-up", zero=True) == 0


def test_settings_reach_into_groups_and_keep_types() -> None:
    options = {"model": {"frames": 8}, "warm_up": 0.02}
    pairs = ["model.dropout=0.1", "latitude_weighted=false", "gradient_clip=null"]
    assert console.with_settings(options, pairs) == {
        "model": {"frames": 8, "dropout": 0.1},
        "warm_up": 0.02,
        "latitude_weighted": False,
        "gradient_clip": None,
    }


@pytest.mark.parametrize("pair", ["nonsense", "=1", "warm_up.x=1", "size=[unclosed"])
def test_settings_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        console.with_settings({"warm_up": 0.02}, [pair])


def test_json_text_has_no_nan() -> None:
    assert json_text({"a": [float("nan"), float("inf"), 1.5]}).split() == [
        '{', '"a":', '[', 'null,', 'null,', '1.5', ']', '}'
    ]  # fmt: skip
