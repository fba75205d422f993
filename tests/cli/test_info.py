"""`co2phys info`: what a network costs, without making it."""

import json

import pytest

from co2net_phys.cost import BYTES_PER_PARAMETER

KEYS = ["model", "size", "parameters", "flops_per_sample", "memory_bytes", "paper_parameters"]
COSTS = KEYS[2:5]
PAPER = {"S": 38e6, "B": 95e6, "L": 247e6}
RIVALS = {"vit": 76e6, "swin-lstm": 3.3e6, "cyclegan": 28e6, "senseiver": 0.11e6}


def asked(co2phys, *words):
    done = co2phys("info", *words, "--json")
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def test_one_size_is_one_object(co2phys):
    found = asked(co2phys, "--size", "L")
    assert list(found) == KEYS
    assert (found["model"], found["size"]) == ("co2net", "L")
    assert found["parameters"] == pytest.approx(247e6, rel=0.15)


def test_all_sizes_come_within_15_per_cent_of_the_paper(co2phys):
    found = asked(co2phys)
    sizes, rivals = found[:4], found[4:]
    assert [row["size"] for row in sizes] == ["XS", "S", "B", "L"]
    for row in sizes[1:]:
        assert row["paper_parameters"] == PAPER[row["size"]]
        assert row["parameters"] == pytest.approx(PAPER[row["size"]], rel=0.15)
    for name in COSTS:
        costs = [row[name] for row in sizes]
        assert costs == sorted(costs)
    assert {row["model"]: row["paper_parameters"] for row in rivals} == RIVALS
    for row in rivals:
        assert row["parameters"] == pytest.approx(RIVALS[row["model"]], rel=0.15)


def test_a_rival_is_asked_for_by_its_name(co2phys):
    found = asked(co2phys, "--model", "senseiver")
    assert list(found) == KEYS and (found["model"], found["size"]) == ("senseiver", None)
    both = asked(co2phys, "--model", "senseiver", "--size", "XS")
    assert [row["model"] for row in both] == ["co2net", "senseiver"]
    done = co2phys("info", "--model", "gan")
    assert done.code == 2 and "choose from vit" in done.err


def test_several_sizes_come_as_asked(co2phys):
    found = asked(co2phys, "--size", "B", "--size", "XS")
    assert [row["size"] for row in found] == ["B", "XS"]


def test_four_months_cost_half_of_eight_frames(co2phys):
    hours, months = (
        asked(co2phys, "--size", "S", "--dataset", d) for d in ("carbontracker", "cmip6")
    )
    ratio = months["flops_per_sample"] / hours["flops_per_sample"]
    assert 0.4 < ratio < 0.5  # half the tokens, fewer inputs, shorter attention
    assert months["parameters"] < hours["parameters"]


def test_memory_grows_with_the_batch_beyond_the_weights(co2phys):
    one, many = (
        asked(co2phys, "--size", "S", "--batch-size", n)["memory_bytes"] for n in ("1", "33")
    )
    weights = BYTES_PER_PARAMETER * asked(co2phys, "--size", "S")["parameters"]
    assert many - weights == pytest.approx(33 * (one - weights), rel=1e-3)


def test_the_table_stands_beside_the_paper(co2phys):
    done = co2phys("info")
    assert done.code == 0, done.err
    head, *rows = done.out.splitlines()
    assert head.split()[:4] == ["network", "parameters", "paper", "ratio"]
    assert rows[0].split()[:5] == ["XS", "5.87", "M", "–", "–"]
    assert rows[3].split()[:6] == ["L", "222.97", "M", "247", "M", "0.90"]
    assert rows[4].split()[:6] == ["vit", "76.52", "M", "76", "M", "1.01"]


def test_an_unknown_size_is_one_line(co2phys):
    done = co2phys("info", "--size", "XXL")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert "--size" in line
