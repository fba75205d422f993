"""`co2phys validate`, on a few statements."""

import dataclasses
import json

import pytest

from co2net_phys.validation import findings_report, statements

KEYS = ["name", "claim", "printed_holds", "corrected_holds", "measured", "bound"]


def test_a_topic_as_json(co2phys):
    done = co2phys("validate", "--only", "superposition", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [list(row) for row in rows] == [KEYS] * len(rows)
    assert {row["name"]: row["printed_holds"] for row in rows} == {
        "superposition": None, "time-invariance": False, "net-source-drift": None,
        "weighted-drift": None,
    }  # fmt: skip
    assert all(row["corrected_holds"] and row["measured"] <= row["bound"] for row in rows)


def test_a_statement_as_a_table(co2phys):
    done = co2phys("validate", "--only", "net-source-drift", "--only", "time-invariance")
    assert done.code == 0, done.err
    assert "Proposition 1" in done.out
    assert "fails" in done.out
    assert done.out.splitlines()[-1] == (
        "2 of 2 statements hold as corrected. "
        "What fails of the paper: 1 as printed, 0 as implied, 0 as coded"
    )
    assert "Theorem" not in done.out


def test_the_table_says_how_the_paper_was_read(co2phys):
    done = co2phys("validate", "--only", "wind-uniqueness", "--only", "non-divergent-wind")
    assert done.code == 0, done.err
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if line.strip()}
    assert rows["wind-uniqueness"][1:4:2] == ["fails", "printed"]
    assert rows["non-divergent-wind"][1:4:2] == ["fails", "implied"]
    assert done.out.splitlines()[-1].endswith("1 as printed, 1 as implied, 0 as coded")


def test_the_list_names_everything(co2phys):
    done = co2phys("validate", "--list", "--json")
    names = json.loads(done.out)
    assert list(names) == list(statements.TOPICS)
    every = [name for members in names.values() for name in members]
    assert len(set(every)) == len(every)


def test_an_unknown_name_is_a_usage_error(co2phys):
    done = co2phys("validate", "--only", "theorem-9")
    assert done.code == 2
    assert done.err == (
        "co2phys: error: --only 'theorem-9': no such topic or statement; --list shows them\n"
    )


def test_the_report_has_page_figures_and_numbers(co2phys, tmp_path):
    done = co2phys("validate", "--only", "superposition", "--report", str(tmp_path / "out"))
    assert done.code == 0, done.err
    page = (tmp_path / "out" / "report.html").read_text()
    assert "time-invariance" in page
    assert "<th>reading" in page or ">reading<" in page
    assert "What fails of the paper: 1 as printed" in page
    assert page.count("data:image/png") == len(findings_report.ILLUSTRATIONS["superposition"])
    found = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert found["findings"][0]["name"] == "superposition"
    assert found["findings"][0]["reading"] is None
    assert found["findings"][1]["reading"] == "printed"
    assert found["findings"][1]["printed"]["measured"] > 0.1
    pictures = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert pictures == {i.name for i in findings_report.ILLUSTRATIONS["superposition"]}


def test_a_report_that_cannot_be_written_is_a_data_error(co2phys, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = co2phys("validate", "--only", "net-source-drift", "--report", str(tmp_path / "file"))
    assert done.code == 3
    assert done.err.startswith(f"co2phys: error: {tmp_path / 'file'}: the folder cannot be made")
    assert len(done.err.strip().splitlines()) == 1  # before anything is measured


@pytest.mark.parametrize("side", ["corrected", "printed"])
def test_what_is_not_as_documented_ends_with_5(co2phys, monkeypatch, side):
    """A corrected claim that fails, or a printed one that misses by less than its margin."""
    topic = statements.TOPICS["superposition"]
    (kept,) = (s for s in topic.statements if s.name == "time-invariance")
    finding = getattr(kept, side)()
    value = 2 * finding.bound
    wrong = dataclasses.replace(finding, measured=value, holds=False)
    changed = dataclasses.replace(kept, **{side: lambda: wrong})
    broken = dataclasses.replace(topic, statements=(changed,))
    monkeypatch.setattr(statements, "TOPICS", {"superposition": broken})
    done = co2phys("validate", "--json")
    assert done.code == 5
    assert "1 of 1 statements are not as documented: time-invariance" in done.err
    assert json.loads(done.out)[0]["name"] == "time-invariance"
