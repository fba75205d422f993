"""One self-contained HTML page from headings, text, tables and pictures.

The page needs no other file and no network: styles are inline, pictures are data URIs. It follows
the reader's light or dark theme, and every text is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from co2net_phys.data.atomic import atomic_write_text
from co2net_phys.errors import UsageError
from co2net_phys.figures import figure_to_data_uri

Cell = str | int | float | None
Best = Literal["min", "max", "zero"] | None

_MISSING = "–"

_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --faint: #59636e;
  --line: #d1d9e0; --best: #0b5c2e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #14181d; --faint: #9aa4ae;
  --line: #3a424b; --best: #7ee2a8; } }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; color: var(--text);
  background: var(--page); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; } h2 { margin-top: 2.4rem; } p { max-width: 44rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; }
caption, figcaption { color: var(--faint); font-size: 0.92rem; text-align: left; }
caption { padding-bottom: 0.4rem; }
th, td { padding: 0.3rem 0.9rem; border-bottom: 1px solid var(--line); text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th { border-bottom-width: 2px; vertical-align: bottom; }
th:first-child, td.text { text-align: left; } tbody th { font-weight: normal; }
td strong { color: var(--best); }
figure { margin: 1.5rem 0; } img { max-width: 100%; height: auto; background: #ffffff;
  border-radius: 4px; }
"""


@dataclass(frozen=True)
class Heading:
    """A heading; level 2 for parts, 3 and 4 below (level 1 is the title of the page)."""

    text: str
    level: int = 2

    def __post_init__(self) -> None:
        if self.level not in (2, 3, 4):
            raise UsageError(f"heading {self.text!r} has level {self.level}: choose 2, 3 or 4")


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; the best value of each column stands out.

    Attributes:
        columns: header of each column, with its unit.
        rows: the cells, texts or numbers; None and NaN are shown as a dash.
        caption: what the table shows.
        best: for each column which number is best: "min", "max", "zero" (nearest to 0) or None.
        decimals: digits after the point.
        compared: cells by which the best are found, where not by those shown.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    best: Sequence[Best] = ()
    decimals: int = 2
    compared: Sequence[Sequence[Cell]] | None = None

    def __post_init__(self) -> None:
        if self.best and len(self.best) != len(self.columns):
            raise UsageError(
                f"table {self.caption!r} has {len(self.columns)} columns but {len(self.best)} marks"
                " of the best: give one for each column"
            )
        for row in self.rows:
            if len(row) != len(self.columns):
                raise UsageError(
                    f"table {self.caption!r} has a row of {len(row)} cells under"
                    f" {len(self.columns)} columns: give one cell for each column"
                )


@dataclass(frozen=True)
class Picture:
    """A figure with the text that replaces it for readers who cannot see it.

    Attributes:
        figure: drawn by `co2net_phys.figures`.
        alternative: one sentence that says what the figure shows.
        caption: shown below; may be empty.
        dpi: dots per inch.
    """

    figure: Figure
    alternative: str
    caption: str = ""
    dpi: int = 150


Section = Heading | Paragraph | Table | Picture


def write_report(path: str | PathLike[str], title: str, sections: Sequence[Section]) -> None:
    """Write a page; a page already there is replaced only by a complete new one.

    Args:
        path: the HTML file.
        title: of the page.
        sections: what it holds, in order.

    Raises:
        DataError: the file cannot be written.
    """
    atomic_write_text(Path(path), render_report(title, sections))


def render_report(title: str, sections: Sequence[Section]) -> str:
    """HTML text of a page; see `write_report`."""
    body = "\n".join(_render(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _render(section: Section) -> str:
    match section:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Table():
            return _render_table(section)
        case Picture():
            return _render_picture(section)


def _render_picture(picture: Picture) -> str:
    source = figure_to_data_uri(picture.figure, picture.dpi)
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    image = f'<img src="{source}" alt="{escape(picture.alternative)}">'
    return f"<figure>{image}{caption}</figure>"


def _render_table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    header = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    shown = [[_shown(cell, table.decimals) for cell in row] for row in table.rows]
    winners = _winners(table, shown)
    body = "".join(
        "<tr>"
        + "".join(
            _render_cell(cell, text, is_first=j == 0, is_best=(i, j) in winners)
            for j, (cell, text) in enumerate(zip(row, texts, strict=True))
        )
        + "</tr>\n"
        for i, (row, texts) in enumerate(zip(table.rows, shown, strict=True))
    )
    return (
        f'<div class="scroll"><table>{caption}<thead><tr>{header}</tr></thead>\n'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def _render_cell(cell: Cell, text: str, is_first: bool, is_best: bool) -> str:
    content = f"<strong>{escape(text)}</strong>" if is_best else escape(text)
    if is_first:
        return f'<th scope="row">{content}</th>'
    return f'<td class="text">{content}</td>' if isinstance(cell, str) else f"<td>{content}</td>"


def _winners(table: Table, shown: list[list[str]]) -> set[tuple[int, int]]:
    """Places (row, column) of the best numbers; what reads the same wins together."""
    found = set()
    for column, best in enumerate(table.best):
        numbers = {
            row: float(cell)
            for row, cells in enumerate(table.compared or table.rows)
            if isinstance(cell := cells[column], int | float) and math.isfinite(cell)
        }
        if best is None or not numbers:
            continue
        cost = {"min": float, "max": lambda x: -x, "zero": abs}[best]
        winner = shown[min(numbers, key=lambda row: cost(numbers[row]))][column]
        found |= {(row, column) for row in numbers if shown[row][column] == winner}
    return found


def _shown(cell: Cell, decimals: int) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return _MISSING
    if isinstance(cell, float):
        text = f"{cell:.{decimals}f}"
        is_zero = math.isfinite(cell) and float(text) == 0.0
        return (text.lstrip("-") if is_zero else text).replace("-", "−")  # true minus sign
    return str(cell)
