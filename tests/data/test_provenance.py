import hashlib
import json
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xarray as xr

from co2net_phys import provenance
from co2net_phys.errors import DataError
from co2net_phys.provenance import named_inputs, provenance_attributes, sha256_of


def test_attributes_are_text_and_repeat_the_run(tmp_path: Path) -> None:
    source = tmp_path / "wind.nc"
    source.write_bytes(b"wind")
    configuration = {"grid": {"truncation": 42}, "path": Path("a")}
    attributes = provenance_attributes(
        "Title", "Summary", ["/opt/bin/co2phys", "simulate", "a b"], 7, [source], configuration
    )
    assert all(isinstance(value, str) and value for value in attributes.values())
    assert attributes["co2phys_command"] == "co2phys simulate 'a b'"
    assert attributes["history"].endswith("co2phys simulate 'a b'")
    assert attributes["co2phys_seed"] == "7"
    assert json.loads(attributes["co2phys_configuration"])["grid"] == {"truncation": 42}
    digest = hashlib.sha256(b"wind").hexdigest()
    assert json.loads(attributes["co2phys_input_sha256"]) == {"wind.nc": digest}
    assert "numpy" in json.loads(attributes["co2phys_libraries"])
    created = datetime.strptime(attributes["date_created"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs((datetime.now(UTC).replace(tzinfo=None) - created).total_seconds()) < 60


def test_the_host_name_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node042")
    attributes = provenance_attributes("t", "s", "co2phys --input node042:/x", None, [], {})
    assert attributes["co2phys_command"] == "co2phys --input <host>:/x"
    assert not any("node042" in value for value in attributes.values())
    assert attributes["co2phys_seed"] == "none"


def test_zarr_checksum_follows_the_metadata(tmp_path: Path) -> None:
    for name, unit in (("a", "K"), ("b", "K"), ("c", "ppm")):
        data = xr.Dataset({"x": ("t", [1.0], {"units": unit})})
        data.to_zarr(tmp_path / name, zarr_format=3, consolidated=False)
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")
    assert sha256_of(tmp_path / "a") != sha256_of(tmp_path / "c")
    before = sha256_of(tmp_path / "a", with_values=True)
    xr.Dataset({"x": ("t", [2.0], {"units": "K"})}).to_zarr(
        tmp_path / "a", mode="w", zarr_format=3, consolidated=False
    )
    assert sha256_of(tmp_path / "a") == sha256_of(tmp_path / "b")
    assert sha256_of(tmp_path / "a", with_values=True) != before


def test_inputs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    members = [tmp_path / f"member-{n}/best/model.safetensors" for n in (1, 2)]
    for number, member in enumerate(members):
        member.parent.mkdir(parents=True)
        member.write_bytes(bytes([number]))
    (tmp_path / "wind.nc").write_bytes(b"wind")
    inputs = [*members, tmp_path / "wind.nc", members[0]]
    attributes = provenance_attributes("t", "s", "co2phys", None, inputs, {})
    found = json.loads(attributes["co2phys_input_sha256"])
    assert list(found) == [*(f"member-{n}/best/model.safetensors" for n in (1, 2)), "wind.nc"]
    assert found["member-1/best/model.safetensors"] == sha256_of(members[0])
    assert set(named_inputs([Path("a.nc"), Path("b/a.nc")])) == {"a.nc", "b/a.nc"}


def test_a_missing_input_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read .*; check the path"):
        sha256_of(tmp_path / "none.nc")


def test_commit_only_of_our_own_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "co2net_phys"
    package.mkdir()
    (package / "provenance.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    provenance.git_commit.cache_clear()
    clean = provenance.git_commit()
    assert len(clean) == 40
    (package / "new.py").write_text("")
    provenance.git_commit.cache_clear()
    assert provenance.git_commit() == f"{clean}-dirty"
    # Installed into a virtual environment inside somebody's repository.
    nested = tmp_path / ".venv" / "co2net_phys"
    nested.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(nested / "provenance.py"))
    provenance.git_commit.cache_clear()
    assert provenance.git_commit() == "not a checkout"
    provenance.git_commit.cache_clear()
