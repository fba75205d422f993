"""One operator broken on purpose: `co2phys validate` must notice, whichever it is.

Each mutant is an edit of one line in a copy of the package, run in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]


class Mutant(NamedTuple):
    file: str
    right: str
    wrong: str
    topics: tuple[str, ...]
    """Where it should show; looking at all would take minutes."""


MUTANTS = {
    "none": Mutant("errors.py", "exit_code = 5", "exit_code = 5", ("superposition", "adjoint")),
    "the wind blows backwards": Mutant(
        "solvers/equations.py",
        "transport = -operator(state, u, v)",
        "transport = operator(state, u, v)",
        ("harmonic-series",),
    ),
    "the exact rotation turns backwards": Mutant(
        "solvers/equations.py",
        "rate.mT - 1j * self.rotation",
        "rate.mT + 1j * self.rotation",
        ("wind-identifiability",),
    ),
    "the two forms are exchanged": Mutant(
        "solvers/equations.py",
        'advective = self.form == "advective"',
        'advective = self.form == "flux"',
        ("conservation",),
    ),
    "the Laplacian acts on the mean": Mutant(
        "solvers/harmonics.py",
        '"laplacian_eigenvalues": -degree * (degree + 1.0) / radius**2,',
        '"laplacian_eigenvalues": -(degree * (degree + 1.0) + 1.0) / radius**2,',
        ("superposition",),
    ),
    "l² instead of l(l + 1)": Mutant(
        "solvers/harmonics.py",
        '"laplacian_eigenvalues": -degree * (degree + 1.0) / radius**2,',
        '"laplacian_eigenvalues": -degree * degree / radius**2,',
        ("harmonic-series",),
    ),
    "no 1/cos θ in the eastward gradient": Mutant(
        "solvers/harmonics.py",
        "        return self._transforms(modal).gradient(modal)",
        "        east, north = self._transforms(modal).gradient(modal)\n"
        "        return east * self.coordinates()[0].cos(), north",
        ("wind-identifiability",),
    ),
    "the adjoint counts each order once": Mutant(
        "solvers/adjoint.py",
        "torch.where(order == 0, 1.0, 2.0)",
        "torch.where(order == 0, 1.0, 1.0)",
        ("adjoint",),
    ),
    "a weight of RK4 is wrong": Mutant(
        "solvers/time_integration.py",
        "(1 / 6, 1 / 3, 1 / 3, 1 / 6),",
        "(1 / 6, 1 / 3, 1 / 6, 1 / 3),",
        ("convergence",),
    ),
    "D(θ, λ) gathers instead of spreading": Mutant(
        "solvers/equations.py",
        "return diffused - self.harmonics.to_modal(u * east + v * north)",
        "return -diffused - self.harmonics.to_modal(u * east + v * north)",
        ("right-hand-side",),
    ),
    "with D(θ, λ) the flux blows backwards": Mutant(
        "solvers/equations.py",
        "divergence(field * east - u * nodal, field * north - v * nodal)",
        "divergence(field * east + u * nodal, field * north + v * nodal)",
        ("right-hand-side",),
    ),
    "decay is growth": Mutant(
        "solvers/equations.py",
        "rate = rate - self.decay",
        "rate = rate + self.decay",
        ("linear-decay",),
    ),
    "hyperdiffusion is growth": Mutant(
        "solvers/equations.py",
        "eigenvalues - self.hyperdiffusivity * eigenvalues**2",
        "eigenvalues + self.hyperdiffusivity * eigenvalues**2",
        ("linear-decay",),
    ),
    "semi-Lagrangian air is not compressed": Mutant(
        "solvers/departure_map.py",
        "return determinant / position.norm(dim=0) ** 3",
        "return torch.ones_like(determinant)",
        ("long-steps-flux",),
    ),
    "ψ and χ with l² instead of l(l + 1)": Mutant(
        "solvers/harmonics.py",
        "(degree * (degree + 1.0)).clamp(min=1.0)",
        "(degree * degree).clamp(min=1.0)",
        ("helmholtz",),
    ),
    "integrals are a thousandth too large": Mutant(
        "solvers/harmonics.py",
        "return self.radius**2 * (nodal.mean(-1) * self._weights).sum(-1)",
        "return 1.001 * self.radius**2 * (nodal.mean(-1) * self._weights).sum(-1)",
        ("quadrature",),
    ),
    "the mean is twice the mean": Mutant(
        "solvers/harmonics.py",
        "return modal[..., 0, 0].real / math.sqrt(4.0 * math.pi)",
        "return modal[..., 0, 0].real / math.sqrt(math.pi)",
        ("means",),
    ),
    "the northward phase runs twice as fast": Mutant(
        "nn/embeddings.py",
        "return [u * arc / cosine.to(u.dtype), v * arc]",
        "return [u * arc / cosine.to(u.dtype), 2 * v * arc]",
        ("wind-phase",),
    ),
    "monotone air is expanded where it is compressed": Mutant(
        "solvers/monotone.py",
        "compression = torch.exp(-found.expansion)",
        "compression = torch.exp(found.expansion)",
        ("density-monotone",),
    ),
    "no 1/cos θ in the flux": Mutant(
        "solvers/harmonics.py",
        "        return self._transforms(modal, u, v).flux_divergence(modal, u, v)",
        "        u = u * self.coordinates()[0].cos()\n"
        "        return self._transforms(modal, u, v).flux_divergence(modal, u, v)",
        ("density-spectral",),
    ),
    "recovered winds neglect diffusion": Mutant(
        "solvers/wind_terms.py",
        "right = diffused(problem, _inner(problem, problem.tracers)) - tendency",
        "right = -tendency",
        ("wind-identifiability",),
    ),
}


def package_with(mutant: Mutant, folder: Path) -> Path:
    """A copy of the package, compiled kernels included, with one line changed."""
    for name, source in sorted(FOLDERS.items()):
        shutil.copytree(ROOT / source, folder.joinpath(*name.split(".")), dirs_exist_ok=True)
    path = folder / "co2net_phys" / mutant.file
    text = path.read_text()
    assert text.count(mutant.right) == 1, f"{mutant.file} has changed: renew this mutant"
    path.write_text(text.replace(mutant.right, mutant.wrong))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_operator_is_noticed(name, tmp_path):
    mutant = MUTANTS[name]
    code = "from co2net_phys.cli.main import main; main()"
    only = [word for topic in mutant.topics for word in ("--only", topic)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "validate", "--json", *only],
        env=os.environ | {"PYTHONPATH": str(package_with(mutant, tmp_path))},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if name == "none":  # the copy itself works
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 5, done.stderr
    assert not all(row["corrected_holds"] for row in json.loads(done.stdout))
