"""Transform libraries of others, each set up for the same advection step.

SHTns (Schaeffer 2013, doi:10.1002/ggge.20071), ducc0 (Reinecke et al. 2023,
doi:10.1051/0004-6361/202346717), torch-harmonics (Bonev et al. 2023, arXiv:2306.03838) and dinosaur
(Kochkov et al. 2024, doi:10.1038/s41586-024-07744-y). The first two and the last are optional and
imported only where they are measured. Sign and order of the components of a gradient are each
library's own; the test of the bench is that all give the same field after a step.
"""

import os
from typing import Any

import numpy as np
import torch

from co2net_phys.solvers.constants import EARTH_RADIUS_M
from co2net_phys.validation.advection_problem import AdvectionProblem, Array, runge_kutta_step


class TorchHarmonics:
    """RealSHT and InverseRealVectorSHT of torch-harmonics, batched over the fields."""

    def __init__(self, problem: AdvectionProblem) -> None:
        from torch_harmonics import InverseRealSHT, InverseRealVectorSHT, RealSHT

        size = problem.truncation + 1
        options = {"lmax": size, "mmax": size, "grid": "legendre-gauss"}
        self._dtype = torch.float32 if problem.single else torch.float64
        # Converted once: the library would convert its tables at every call.
        self._sht, self._inverse, self._vector = (
            kind(*problem.grid.shape, **options).to(self._dtype)
            for kind in (RealSHT, InverseRealSHT, InverseRealVectorSHT)
        )
        self._problem = problem
        # Its rows run north to south, its first component southward.
        self._south, self._east = (
            self._own(wind / EARTH_RADIUS_M) for wind in (-problem.v, problem.u)
        )
        half = torch.from_numpy(problem.factor(np.arange(size)))[:, None].to(self._dtype)
        self.step = runge_kutta_step(self._tendency, half, problem.time_step)

    def start(self) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(self._own(self._problem.tracers))

    def analyse(self, nodal: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self._sht(nodal)

    def round_trip(self, spectrum: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self._sht(self._inverse(spectrum))

    def values(self, spectrum: Any) -> Array:
        """See :class:`TransformLibrary`."""
        return np.asarray(self._inverse(spectrum).flip(-2).double().numpy())

    def _own(self, nodal: Array) -> torch.Tensor:
        return torch.from_numpy(nodal[..., ::-1, :].copy()).to(self._dtype)

    def _tendency(self, spectrum: Any) -> Any:
        # A purely spheroidal vector with the coefficients of φ is ∇φ on the unit sphere.
        vectors = self._vector(torch.stack([spectrum, torch.zeros_like(spectrum)], dim=-3))
        south, east = vectors[..., 0, :, :], vectors[..., 1, :, :]
        return -self._sht(self._south * south + self._east * east)


class SHTns:
    """SHTns, one field after the other."""

    def __init__(self, problem: AdvectionProblem) -> None:
        import shtns  # type: ignore[import-not-found, unused-ignore]

        self._transform = shtns.sht(
            problem.truncation, norm=shtns.sht_orthonormal, nthreads=problem.threads
        )
        flags = shtns.sht_quick_init | shtns.SHT_PHI_CONTIGUOUS | shtns.SHT_SOUTH_POLE_FIRST
        self._transform.set_grid(*problem.grid.shape, flags, 0.0)
        self._problem = problem
        # Latitude runs south to north, but its gradient stays one by colatitude.
        self._south, self._east = -problem.v / EARTH_RADIUS_M, problem.u / EARTH_RADIUS_M
        half = problem.factor(np.asarray(self._transform.l))
        self.step = runge_kutta_step(self._tendency, half, problem.time_step)

    def start(self) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(self._problem.tracers)

    def analyse(self, nodal: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return np.stack([self._transform.analys(field) for field in nodal])

    def round_trip(self, spectrum: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return np.stack([self._transform.analys(self._transform.synth(one)) for one in spectrum])

    def values(self, spectrum: Any) -> Array:
        """See :class:`TransformLibrary`."""
        return np.stack([self._transform.synth(one) for one in spectrum])

    def _tendency(self, spectrum: Any) -> Any:
        result = np.empty_like(spectrum)
        for one, out in zip(spectrum, result, strict=True):
            south, east = self._transform.synth_grad(one)
            south *= self._south
            east *= self._east
            south += east
            out[:] = self._transform.analys(south)
        return np.negative(result, out=result)


class Ducc:
    """ducc0.sht, one field after the other."""

    def __init__(self, problem: AdvectionProblem) -> None:
        import ducc0  # type: ignore[import-not-found, unused-ignore]

        self._sht = ducc0.sht
        self._problem = problem
        nlat, nlon = problem.grid.shape
        self._common = {
            "lmax": problem.truncation, "geometry": "GL", "nthreads": problem.threads,
        }  # fmt: skip
        self._nodes = {"ntheta": nlat, "nphi": nlon}
        self._real = np.float32 if problem.single else np.float64
        self._south, self._east = (
            self._own(wind / EARTH_RADIUS_M) for wind in (-problem.v, problem.u)
        )
        orders = range(problem.truncation + 1)
        degree = np.concatenate([np.arange(m, problem.truncation + 1) for m in orders])
        half = problem.factor(degree).astype(self._real)
        self.step = runge_kutta_step(self._tendency, half, problem.time_step)

    def start(self) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(self._own(self._problem.tracers))

    def analyse(self, nodal: Any) -> Any:
        """See :class:`TransformLibrary`."""
        analysed = [self._sht.analysis_2d(map=one[None], spin=0, **self._common) for one in nodal]
        return np.concatenate(analysed)

    def round_trip(self, spectrum: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(self._synthesise(spectrum))

    def values(self, spectrum: Any) -> Array:
        """See :class:`TransformLibrary`."""
        return self._synthesise(spectrum)[:, ::-1].astype(np.float64)

    def _own(self, nodal: Array) -> Array:
        return nodal[..., ::-1, :].astype(self._real)

    def _synthesise(self, spectrum: Any) -> Any:
        options = {"spin": 0, **self._common, **self._nodes}
        return np.concatenate(
            [self._sht.synthesis_2d(alm=one[None], **options) for one in spectrum]
        )

    def _tendency(self, spectrum: Any) -> Any:
        options = {"spin": 1, "mode": "DERIV1", **self._common, **self._nodes}
        result = np.empty_like(spectrum)
        for one, out in zip(spectrum, result, strict=True):
            south, east = self._sht.synthesis_2d(alm=one[None], **options)
            product = self._south * south + self._east * east
            out[:] = self._sht.analysis_2d(map=product[None], spin=0, **self._common)[0]
        return np.negative(result, out=result)


class Dinosaur:
    """dinosaur on JAX, the step compiled as a whole, batched over the fields."""

    def __init__(self, problem: AdvectionProblem) -> None:
        # Read when JAX starts its threads; a JAX that is running already keeps what it has.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no word about slow compilation
        os.environ["NPROC"] = str(problem.threads)
        os.environ["XLA_FLAGS"] = (
            f"--xla_cpu_multi_thread_eigen={str(problem.threads > 1).lower()} "
            f"intra_op_parallelism_threads={problem.threads}"
        )
        import jax  # type: ignore[import-not-found, unused-ignore]
        from dinosaur import (  # type: ignore[import-not-found, unused-ignore]
            spherical_harmonic,
        )

        jax.config.update("jax_enable_x64", not problem.single)
        self._problem, self._real = problem, np.float32 if problem.single else np.float64
        self._grid = grid = spherical_harmonic.Grid(
            longitude_wavenumbers=problem.truncation + 1,
            total_wavenumbers=problem.truncation + 2,  # the last holds the gradient and is clipped
            longitude_nodes=problem.grid.nlon,
            latitude_nodes=problem.grid.nlat,
            radius=EARTH_RADIUS_M,
            spherical_harmonics_impl=spherical_harmonic.FastSphericalHarmonics,
        )
        # The library gives cos θ ∇φ; its axes are (longitude, latitude).
        over_cosine = 1.0 / np.cos(np.deg2rad(problem.grid.latitude))[:, None]
        self._u, self._v = (self._own(w * over_cosine) for w in (problem.u, problem.v))
        half = self._own_spectral(problem.factor(np.arange(problem.truncation + 2)))

        def tendency(spectrum: Any) -> Any:
            """−w·∇φ, spectral."""
            east, north = grid.to_nodal(grid.cos_lat_grad(spectrum, clip=False))
            return -grid.clip_wavenumbers(grid.to_modal(self._u * east + self._v * north))

        step = jax.jit(runge_kutta_step(tendency, half, problem.time_step))
        self.step = lambda spectrum: step(spectrum).block_until_ready()
        pair = jax.jit(lambda spectrum: grid.to_modal(grid.to_nodal(spectrum)))
        self.round_trip = lambda spectrum: pair(spectrum).block_until_ready()

    def start(self) -> Any:
        """See :class:`TransformLibrary`."""
        return self.analyse(self._own(self._problem.tracers))

    def analyse(self, nodal: Any) -> Any:
        """See :class:`TransformLibrary`."""
        return self._grid.clip_wavenumbers(self._grid.to_modal(nodal))

    def values(self, spectrum: Any) -> Array:
        """See :class:`TransformLibrary`."""
        return np.asarray(self._grid.to_nodal(spectrum), dtype=np.float64).swapaxes(-1, -2)

    def _own(self, nodal: Array) -> Array:
        return np.ascontiguousarray(nodal.swapaxes(-1, -2).astype(self._real))

    def _own_spectral(self, factor: Array) -> Array:
        return factor.astype(self._real)
