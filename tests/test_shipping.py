"""What the wheel holds: the folder map of pyproject hides mistakes in an editable install."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOL = PROJECT["tool"]["setuptools"]


def test_every_folder_with_python_files_is_a_package():
    found = {
        ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
        for name, folder in TOOL["package-dir"].items()
        for path in (ROOT / folder).rglob("*.py")
    }
    assert found == set(TOOL["packages"])


def test_every_package_says_what_it_is():
    for name in TOOL["packages"]:
        first, _, rest = name.partition(".")
        folder = TOOL["package-dir"].get(name) or f"{first}/{rest.replace('.', '/')}"
        assert (ROOT / folder / "__init__.py").is_file(), name


def test_every_data_file_is_listed():
    patterns = TOOL["package-data"]
    for name, folder in TOOL["package-dir"].items():
        for path in (ROOT / folder).rglob("*"):
            if not path.is_file() or path.suffix in (".py", ".pyc") or "__pycache__" in path.parts:
                continue
            package = ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
            allowed = [*patterns["*"], *patterns.get(package, [])]
            assert any(path.match(pattern) for pattern in allowed), path


def test_no_folder_at_the_root_is_a_package_of_its_own():
    tops = {name.split(".")[0] for name in TOOL["packages"]}
    assert tops == {"co2net_phys"}


@pytest.mark.slow
def test_the_wheel_works_from_anywhere(tmp_path):
    target = tmp_path / "target"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    copy = tmp_path / "source"  # so that no build folder appears in the checkout
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in files:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", *options, "-w", str(tmp_path), str(copy)], check=True)
    (wheel,) = tmp_path.glob("co2phys-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("data/stations.csv", "data/continents.npz", "py.typed", "solvers/grid.py"):
        assert f"co2net_phys/{name}" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"co2net_phys", "co2phys"}
    subprocess.run([*pip, "install", *options, "--target", str(target), str(wheel)], check=True)
    for words in (["--help"], ["--version"]):
        done = subprocess.run(
            [target / "bin" / "co2phys", *words], cwd="/", capture_output=True, text=True,
            env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    code = "import co2net_phys.data.stations as s; print(s.__file__, len(s.load_stations()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env={"PYTHONPATH": str(target)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path, count = done.stdout.split()
    assert path.startswith(str(target))
    assert int(count) > 80
