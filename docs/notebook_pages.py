"""Run the notebooks of `docs/notebooks` and turn them into pages.

A notebook is a script in the percent format of jupytext; the .ipynb beside it, for those who open
it in Jupyter, holds the same cells without results. What a run gave is kept in `build/notebooks`
until the notebook or the package changes.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "docs" / "notebooks"
KEPT = ROOT / "build" / "notebooks"
SECONDS_PER_CELL = 120
"""A cell that takes longer is an error."""


def sources() -> list[Path]:
    """The notebooks, in order."""
    return sorted(NOTEBOOKS.glob("*.py"))


def run(source: Path) -> Any:
    """The notebook with its results, from a fresh kernel.

    Raises
    ------
    nbclient.exceptions.CellExecutionError, nbclient.exceptions.CellTimeoutError
        A cell fails, or takes too long.
    """
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(source)
    resources = {"metadata": {"path": str(source.parent)}}
    client = NotebookClient(
        notebook, timeout=SECONDS_PER_CELL, kernel_name="python3", resources=resources
    )
    return client.execute()


def kept_run(source: Path) -> Any:
    """Like `run`, or an earlier run of the same notebook with the same package."""
    import nbformat

    path = KEPT / f"{source.stem}-{_state_of_package()[:8]}-{_digest(source)[:8]}.ipynb"
    if path.is_file():
        return nbformat.read(path, as_version=4)
    notebook = run(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return notebook


def page(source: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook that was run, and its pictures by file name."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_notebook_node(kept_run(source))
    pictures = {}
    for name, content in resources["outputs"].items():
        own = f"{source.stem}-{Path(name).name}"
        text = text.replace(f"({name})", f"({own})")
        pictures[own] = content
    return text, pictures


@cache
def _state_of_package() -> str:
    folders = ("co2net_phys", "solvers", "validation")
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return hashlib.sha256("".join(map(_digest, files)).encode()).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
