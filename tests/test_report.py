"""A report is one valid page without outside references, and what is best stands out."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from co2net_phys.errors import DataError, UsageError
from co2net_phys.figures import loss_curve_figure
from co2net_phys.report import Heading, Paragraph, Picture, Table, render_report, write_report

VOID = {"meta", "img", "!doctype"}
TABLE = Table(
    columns=("Method", "RMSE", "ACC", "Bias"),
    rows=[
        ("kriging", 4.281, 0.501, -0.5),
        ("CO2-Net <S>", 3.1, 0.77, 0.2),
        ("climatology", float("nan"), None, -0.001),
    ],
    caption="Scores & ranks",
    best=(None, "min", "max", "zero"),
)


class Outline(HTMLParser):
    """Checks that tags nest and collects what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.cells[-1] += f"*{data}*" if self.open[-1] == "strong" else data


def parse(text: str) -> Outline:
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    return outline


def a_picture() -> Picture:
    figure = loss_curve_figure(np.arange(3), {"training": np.arange(3.0)})
    return Picture(figure, 'Loss "falls"', "Figure 1: loss < 1", dpi=40)


def test_page_is_well_formed_and_needs_nothing_else() -> None:
    sections = [Heading("Results"), Paragraph("a < b & c"), TABLE, a_picture()]
    text = render_report("Run <1>", sections)
    outline = parse(text)
    assert text.startswith("<!DOCTYPE html>") and '<html lang="en">' in text
    assert ("meta", "charset", "utf-8") in outline.attributes
    references = [v for _, name, v in outline.attributes if name in ("src", "href")]
    assert len(references) == 1 and references[0].startswith("data:image/png;base64,")
    assert not re.search(r"https?:|url\(|@import|<script|<link", text)
    assert "prefers-color-scheme: dark" in text


def test_text_is_escaped_everywhere() -> None:
    nasty = '<script>"x"&</script>'
    figure = a_picture().figure
    text = render_report(
        nasty,
        [
            Heading(nasty, 3),
            Paragraph(nasty),
            Table((nasty,), [(nasty,)], nasty),
            Picture(figure, nasty, nasty, dpi=30),
        ],
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;&quot;x&quot;&amp;&lt;/script&gt;") == 9
    parse(text)


def test_table_marks_the_best_and_rounds() -> None:
    cells = parse(render_report("T", [TABLE])).cells
    assert cells[:4] == ["Method", "RMSE", "ACC", "Bias"]
    assert cells[4:8] == ["kriging", "4.28", "0.50", "−0.50"]
    assert cells[8:12] == ["CO2-Net <S>", "*3.10*", "*0.77*", "0.20"]
    assert cells[12:] == ["climatology", "–", "–", "*0.00*"]


def test_what_reads_the_same_wins_together() -> None:
    rows = [("a", 1.004), ("b", 1.001), ("c", 1.2)]
    cells = parse(render_report("T", [Table(("m", "RMSE"), rows, best=(None, "min"))])).cells
    assert cells[3::2] == ["*1.00*", "*1.00*", "1.20"]
    finer = Table(("m", "RMSE"), rows, best=(None, "min"), decimals=3)
    assert parse(render_report("T", [finer])).cells[3::2] == ["1.004", "*1.001*", "1.200"]


def test_integers_and_numpy_numbers_and_no_marks() -> None:
    table = Table(("site", "n", "RMSE"), [("MLO", 365, np.float64(0.5))])
    assert parse(render_report("T", [table])).cells[3:] == ["MLO", "365", "0.50"]


def test_tables_are_accessible() -> None:
    outline = parse(render_report("T", [TABLE]))
    scopes = [value for tag, name, value in outline.attributes if (tag, name) == ("th", "scope")]
    assert scopes == ["col"] * 4 + ["row"] * 3
    assert "<caption>Scores &amp; ranks</caption>" in render_report("T", [TABLE])


def test_ill_formed_sections_are_refused() -> None:
    with pytest.raises(UsageError, match="row of 1 cells under 2 columns"):
        Table(("a", "b"), [("x",)])
    with pytest.raises(UsageError, match="1 marks of the best"):
        Table(("a", "b"), [], best=("min",))
    with pytest.raises(UsageError, match="choose 2, 3 or 4"):
        Heading("Title", level=1)


def test_report_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(path, "First", [Paragraph("µmol mol⁻¹")])
    assert path.read_text(encoding="utf-8") == render_report("First", [Paragraph("µmol mol⁻¹")])

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(DataError, match=r"report\.html"):
        write_report(path, "Second", [])
    assert "First" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]
