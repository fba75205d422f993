"""The notebooks run from a fresh kernel, show figures, and hold no logic of their own."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = (
    "01_superposition",
    "02_harmonic_series",
    "03_wind_identifiability",
    "04_stations_and_resolution",
)
LOGIC = (
    ast.FunctionDef, ast.ClassDef, ast.While, ast.If, ast.Try, ast.Lambda, ast.With, ast.AugAssign,
)  # fmt: skip


@pytest.fixture(scope="module")
def pages():
    pytest.importorskip("jupytext", reason="the docs extra is not installed")
    path = ROOT / "docs" / "notebook_pages.py"
    spec = importlib.util.spec_from_file_location("notebook_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def source(name: str) -> Path:
    return ROOT / "docs" / "notebooks" / f"{name}.py"


def cells(notebook) -> list[tuple[str, str]]:
    return [(cell["cell_type"], cell["source"].strip()) for cell in notebook["cells"]]


def test_these_are_all_of_them(pages):
    assert [path.stem for path in pages.sources()] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_pair_agrees_and_holds_no_results(name, pages):
    import jupytext

    script, paired = jupytext.read(source(name)), jupytext.read(source(name).with_suffix(".ipynb"))
    assert cells(script) == cells(paired), "run docs/scripts/theory_figures.py pairs"
    assert not any(cell.get("outputs") for cell in paired["cells"])


@pytest.mark.parametrize("name", NAMES)
def test_it_only_calls_and_shows(name, pages):
    import jupytext

    for kind, text in cells(jupytext.read(source(name))):
        if kind != "code":
            continue
        code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, LOGIC)]
        assert not found, ast.unparse(found[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_shows_figures(name, pages):
    notebook = pages.run(source(name))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", ())]
    assert not [o for o in outputs if o["output_type"] == "error"]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 2
