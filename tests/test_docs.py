"""The documentation: commands parse, examples run, links lead somewhere, the site builds."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *PAGES]
SAMPLE_DATA = Path(os.environ.get("CO2PHYS_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def command_lines(path: Path) -> list[str]:
    """Lines that begin with co2phys, backslashes joined, without the prompt of a session."""
    text = "\n".join(blocks(path, "sh", "console")).replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in text.splitlines()]
    return [line for line in lines if line.startswith("co2phys ")]


def nav_pages(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    children = entry if isinstance(entry, list) else entry.values()
    return [page for child in children for page in nav_pages(child)]


@pytest.fixture(scope="module")
def commands():
    import typer

    from co2net_phys.cli.main import app

    return typer.main.get_command(app).commands


@pytest.fixture(scope="module")
def settings():
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text())


@pytest.mark.parametrize("path", [p for p in TEXTS if command_lines(p)], ids=name_of)
def test_every_command_line_parses(path, commands):
    for line in command_lines(path):
        words = [word for word in shlex.split(line, comments=True)[1:] if word != "--quiet"]
        assert words[0] in commands, line
        command, rest = commands[words[0]], words[1:]
        while hasattr(command, "commands"):  # a group: the next word names its member
            assert rest[0] in command.commands, line
            command, rest = command.commands[rest[0]], rest[1:]
        context = command.make_context(words[0], rest)  # raises on a wrong option
        context.close()


def test_the_parser_of_this_test_refuses_wrong_options(commands):
    for words in (["--data", "a", "--output", "b", "--sizes", "XS"], ["--data", "a"]):
        with pytest.raises(Exception, match=r"sizes|output"):
            commands["train"].make_context("train", words)


def test_the_readme_opens_with_the_two_commands():
    first = blocks(README, "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]
    assert README.read_text().index("make demo") < README.read_text().index("## ")
    assert len(README.read_text().splitlines()) <= 150


def test_the_readme_shows_the_chain_in_order():
    verbs = [line.split()[1] for line in command_lines(README)]
    assert verbs[:5] == ["simulate", "train", "reconstruct", "evaluate", "plot"]


def test_the_python_example_of_the_readme_runs(capsys):
    (example,) = blocks(README, "python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    exec(compile(example, "README.md", "exec"), {})
    assert "[1, 1, 90, 120]" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["XS", "S", "B", "L"])
def test_the_parameter_counts_are_those_of_the_code(size):
    import torch

    from co2net_phys.cost import count_parameters
    from co2net_phys.data.schema import VARIABLES
    from co2net_phys.model import CO2Net, CO2NetConfig

    config = CO2NetConfig(size=size, statistics=dict.fromkeys(VARIABLES, (0.0, 1.0)))
    with torch.device("meta"):
        count = count_parameters(CO2Net(config, torch.nn.Identity())) / 1e6
    row = re.search(rf"^\| CO2-Net {size} \| ([\d.]+) ", README.read_text(), re.MULTILINE)
    assert float(row[1]) == pytest.approx(count, rel=2e-3)


def test_every_page_is_in_the_navigation_and_exists(settings):
    made = [path.with_suffix(".md") for path in (DOCS / "notebooks").glob("*.py")]
    expected = sorted(str(page.relative_to(DOCS)) for page in [*PAGES, *made])
    assert sorted(nav_pages(settings["nav"])) == expected


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_internal_links_lead_to_files(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"https?:|#", target):
            linked = path.parent / target.split("#")[0]
            if linked.parent.name == "notebooks":  # pages that the build makes from scripts
                linked = linked.with_suffix(".py")
            assert linked.exists(), f"{name_of(path)}: {target}"


def test_the_site_asks_for_nothing_from_the_network(settings):
    assert settings["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & settings.keys()


def test_the_command_page_documents_every_command(commands):
    page = (DOCS / "reference" / "cli.md").read_text()

    def named(commands, group=""):
        for name, command in commands.items():
            members = getattr(command, "commands", None)
            whole = f"{group} {name}".strip()
            yield from [whole] if members is None else named(members, whole)

    names = list(named(commands))
    assert re.findall(r"<!-- command: ([\w -]+) -->", page) == names


def test_the_citation_and_the_changelog_name_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == version
    assert citation["references"][0]["title"].startswith("CO₂-Net")
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the docs extra is not installed")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        html = page.read_text()
        assert not re.search(r"<(?:script|img|iframe)[^>]+src=\"?https?:", html), page
        assert not re.search(r"<link[^>]+stylesheet[^>]+href=\"?https?:", html), page
    reference = (tmp_path / "site" / "reference" / "solvers.html").read_text()
    assert 'id="co2net_phys.solvers.harmonics.SphericalHarmonics.to_modal"' in reference


def sessions() -> list[tuple[str, str]]:
    """(command, printed lines) in the order of the page on real winds."""
    text = "\n".join(blocks(DOCS / "results" / "real-winds.md", "console"))
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [tuple(part.split("\n", 1)) for part in parts]


@pytest.mark.slow
def test_the_page_on_real_winds_shows_what_the_commands_print(tmp_path):
    if not (SAMPLE_DATA / "winds").is_dir():
        pytest.skip("no sample data: set CO2PHYS_SAMPLE_DATA to the folder that holds winds/, co2/")
    for folder in ("winds", "co2"):
        (tmp_path / folder).symlink_to(SAMPLE_DATA / folder)
    assert len(sessions()) >= 5
    for command, expected in sessions():
        words = [sys.executable, "-m", "co2net_phys", *shlex.split(command)[1:]]
        run = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
        )
        printed = run.stderr + run.stdout
        assert "Traceback" not in printed
        assert run.returncode == (3 if "error:" in expected else 0), printed
        assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", expected).split()
        ours, shown = ([float(n) for n in NUMBER.findall(t)] for t in (printed, expected))
        assert ours == pytest.approx(shown, abs=0.02)
