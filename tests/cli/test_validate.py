"""`co2phys validate`, on a few statements."""

import dataclasses
import json

import pytest

from co2net_phys.validation import findings_report, statements
from co2net_phys.validation.illustration import Illustration


def files_only(listing):
    return {path: time for path, time in listing.items() if path.is_file()}


ILLUSTRATIONS = dict(findings_report.ILLUSTRATIONS)
KEYS = ["name", "claim", "printed_holds", "corrected_holds", "measured", "bound"]


def test_a_topic_as_json(co2phys):
    done = co2phys("validate", "--only", "superposition", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert [list(row) for row in rows] == [KEYS] * len(rows)
    assert {row["name"]: row["printed_holds"] for row in rows} == {
        "linearity": None, "time-invariance": False, "net-source-drift": None,
        "weighted-drift": None,
    }  # fmt: skip
    assert all(row["corrected_holds"] and row["measured"] <= row["bound"] for row in rows)


def test_a_statement_alone(co2phys):
    done = co2phys("validate", "--only", "linearity", "--json")
    assert done.code == 0, done.err
    assert [row["name"] for row in json.loads(done.out)] == ["linearity"]


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
    assert found["findings"][0]["name"] == "linearity"
    assert found["findings"][0]["reading"] is None
    assert found["findings"][1]["reading"] == "printed"
    assert found["findings"][1]["printed"]["measured"] > 0.1
    pictures = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert pictures == {i.name for i in findings_report.ILLUSTRATIONS["superposition"]}


def test_the_page_says_what_made_it_in_a_line(co2phys, tmp_path):
    done = co2phys("validate", "--only", "adjoint-identity", "--report", str(tmp_path / "out"))
    assert done.code == 0, done.err
    last = (tmp_path / "out" / "report.html").read_text().rsplit("<p>", 1)[1]
    assert last.startswith("command: co2phys validate --only adjoint-identity")
    assert "commit: " in last
    assert "libraries: " in last
    assert "publisher" not in last
    provenance = json.loads((tmp_path / "out" / "findings.json").read_text())["provenance"]
    assert provenance["publisher_name"]


@pytest.fixture
def instead(monkeypatch):
    """Function that lets a topic have one illustration, drawn by the function given."""

    def replace(topic, name, draw):
        drawn = {topic: (Illustration(name, draw, "a figure", "a caption"),)}
        monkeypatch.setattr(findings_report, "ILLUSTRATIONS", ILLUSTRATIONS | drawn)

    return replace


def test_a_report_is_replaced_as_a_whole_and_only_on_demand(co2phys, tmp_path, listing):
    folder = tmp_path / "out"
    first = ("validate", "--only", "superposition", "--report", str(folder))
    assert co2phys(*first).code == 0
    (folder / "figures" / "mine.png").write_bytes(b"")
    before = files_only(listing(folder))
    refused = co2phys("validate", "--only", "adjoint-identity", "--report", str(folder))
    assert refused.code == 3
    assert refused.err == (
        f"co2phys: error: {folder}/report.html: already exists; pass --overwrite to replace it\n"
    )
    assert files_only(listing(folder)) == before
    done = co2phys("validate", "--only", "adjoint-identity", "--report", str(folder), "--overwrite")
    assert done.code == 0, done.err
    found = json.loads((folder / "findings.json").read_text())["findings"]
    assert [row["name"] for row in found] == ["adjoint-identity"]
    pictures = {path.stem for path in (folder / "figures").iterdir()}
    assert pictures == {"numerics-gradient", "mine"}
    assert {path.name for path in folder.iterdir()} == {"report.html", "findings.json", "figures"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_report_that_is_stopped_leaves_what_was_there(
    co2phys, tmp_path, listing, instead, monkeypatch, stop
):
    """While it draws, and while it writes."""
    folder = tmp_path / "out"
    words = ("validate", "--only", "adjoint-identity", "--report", str(folder), "--overwrite")
    assert co2phys(*words).code == 0
    before = files_only(listing(folder))

    def stopped(*args):
        raise stop

    if stop is KeyboardInterrupt:
        instead("adjoint", "numerics-gradient", stopped)
    else:
        monkeypatch.setattr(findings_report, "flush_entry", stopped)
    done = co2phys(*words)
    assert done.code == (130 if stop is KeyboardInterrupt else 3)
    assert files_only(listing(folder)) == before
    if done.code == 3:
        assert "no space left on device" in done.err
        assert done.err.endswith("choose another --report\n")


def test_a_report_that_cannot_be_written_is_told_before_measuring(co2phys, tmp_path, monkeypatch):
    """A file in place of the folder or of the figures, a folder in place of the page."""
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "page" / "report.html").mkdir(parents=True)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "figures").write_text("not a folder")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    monkeypatch.setattr(statements, "judge", None)  # fails if called
    for name in ("file", "file/below", "page", "pictures", "nowhere"):
        done = co2phys(
            "validate", "--only", "net-source-drift", "--report", tmp_path / name, "--overwrite"
        )
        assert done.code == 3, done.err
        assert done.err.startswith(f"co2phys: error: {tmp_path / name}")
        assert done.err.endswith("; choose another --report\n")
        assert len(done.err.strip().splitlines()) == 1


def test_a_folder_that_refuses_files_is_told_before_measuring(co2phys, tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(statements, "judge", None)
    monkeypatch.setattr(findings_report, "NamedTemporaryFile", refuse)
    done = co2phys("validate", "--only", "linearity", "--report", tmp_path / "out")
    assert done.code == 3
    assert done.err == (
        f"co2phys: error: {tmp_path}: cannot be written, permission denied; "
        "choose another --report\n"
    )
    assert not (tmp_path / "out").exists()


def test_a_report_without_a_name_is_a_usage_error(co2phys, tmp_path):
    done = co2phys("validate", "--only", "linearity", "--report", "")
    assert done.code == 2
    assert done.err == "co2phys: error: --report '': names no folder; write --report DIR\n"
    assert not list(tmp_path.iterdir())


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
