"""Global attributes that say how an output was made, in the words of CF and ACDD.

Everything needed to repeat a run: version, git commit, command, seed, configuration, library
versions and checksums of the inputs. No host, user or folder outside the command line appears.
"""

import hashlib
import json
import platform
import re
import shlex
import socket
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from co2net_phys.errors import DataError

_LIBRARIES = ("numpy", "scipy", "xarray", "torch", "torch-harmonics", "numba", "netCDF4", "zarr")
_ZARR_METADATA = frozenset({"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"})
_KEYWORDS = (
    "EARTH SCIENCE > ATMOSPHERE > ATMOSPHERIC CHEMISTRY > CARBON AND HYDROCARBON COMPOUNDS > "
    "ATMOSPHERIC CARBON DIOXIDE"
)
_GIT_SECONDS = 10.0


def provenance_attributes(
    title: str,
    summary: str,
    command: str | Sequence[str],
    seed: int | None,
    inputs: Sequence[Path],
    configuration: Mapping[str, Any],
) -> dict[str, str]:
    """Return the ACDD and provenance attributes of an output.

    Args:
        title: one line that says what the file holds.
        summary: a paragraph for a reader who found only this file.
        command: the command line, as text or as ``sys.argv``.
        seed: of the random numbers; None if none were drawn.
        inputs: files or Zarr stores that were read.
        configuration: the complete resolved configuration; must be possible to write as JSON.

    Raises:
        DataError: an input cannot be read.
    """
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = portable_command(command)
    version = package_version()
    return {
        "title": title,
        "summary": summary,
        "history": f"{created} {line}",
        "source": f"co2phys {version}, model output",
        "references": "the co2phys documentation",
        "comment": "Made by a model, not by direct observation.",
        "creator_name": "The co2phys developers",
        "creator_type": "group",
        "creator_institution": "not specified",
        "institution": "not specified",
        "publisher_name": "not published",
        "publisher_type": "group",
        "project": "co2phys",
        "program": "co2phys",
        "processing_level": "model output, not quality controlled",
        "license": "Terms of the input data apply; the software is under the MIT licence.",
        "acknowledgement": "Made with co2phys; acknowledge the providers of the input data.",
        "keywords": _KEYWORDS,
        "keywords_vocabulary": "GCMD Science Keywords",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "cdm_data_type": "Grid",
        "product_version": version,
        "date_created": created,
        "date_modified": created,
        "date_issued": created,
        "date_metadata_modified": created,
        "naming_authority": "co2phys",
        "id": str(uuid.uuid4()),
        "co2phys_version": version,
        "co2phys_git_commit": git_commit(),
        "co2phys_command": line,
        "co2phys_seed": "none" if seed is None else str(seed),
        "co2phys_configuration": json.dumps(configuration, sort_keys=True, default=str),
        "co2phys_libraries": json.dumps(library_versions(), sort_keys=True),
        "co2phys_input_sha256": json.dumps(
            {name: sha256_of(path) for name, path in named_inputs(inputs).items()}
        ),
    }


def portable_command(command: str | Sequence[str]) -> str:
    """Return the command line with the program's bare name and without this host's name."""
    words = shlex.split(command) if isinstance(command, str) else list(command)
    if words:
        words[0] = Path(words[0]).name
    line = shlex.join(words)
    host = socket.gethostname()
    # A one- or two-letter host name would also match ordinary words.
    return re.sub(rf"\b{re.escape(host)}\b", "<host>", line) if len(host) > 2 else line


def package_version() -> str:
    """Return the installed version of co2phys, ``"unknown"`` if it is not installed."""
    return _version_of("co2phys")


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide the numbers."""
    return {"python": platform.python_version()} | {n: _version_of(n) for n in _LIBRARIES}


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of the checkout this package runs from, ``"-dirty"`` if it was edited.

    Returns ``"not a checkout"`` for an installed package, also one inside another repository.
    """
    package = Path(__file__).resolve().parent
    top = _git(package, "rev-parse", "--show-toplevel")
    commit = _git(package, "rev-parse", "HEAD")
    if not top or not commit or (Path(top) / package.name).resolve() != package:
        return "not a checkout"
    return commit + ("-dirty" if _git(package, "status", "--porcelain") else "")


def named_inputs(inputs: Sequence[Path]) -> dict[str, Path]:
    """Return inputs by the shortest end of their path that no other input has.

    Most have a name of their own; the members of an ensemble differ in a folder above.
    """
    paths = list(dict.fromkeys(map(Path, inputs)))
    names: dict[Path, str] = {}
    length = 0
    while len(names) < len(paths):
        length += 1
        ends = Counter(path.parts[-length:] for path in paths)
        for path in paths:
            end = path.parts[-length:]
            if path not in names and (ends[end] == 1 or length > len(path.parts)):
                names[path] = "/".join(end)
    return {names[path]: path for path in paths}


def sha256_of(path: Path, *, with_values: bool = False) -> str:
    """Return the SHA-256 of a file, or of a Zarr store's metadata files in sorted order.

    Args:
        path: what is read.
        with_values: count all files of a Zarr store; then all of it must be read.

    Raises:
        DataError: ``path`` cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if not path.is_dir():
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        for entry in sorted(path.rglob("*")):
            if entry.name in _ZARR_METADATA or (with_values and entry.is_file()):
                digest.update(entry.relative_to(path).as_posix().encode() + b"\0")
                digest.update(entry.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return digest.hexdigest()


def _version_of(distribution: str) -> str:
    """Return the version of an installed distribution, ``"unknown"`` if it is absent."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints about ``folder``, ``""`` if git or the repository is missing."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
