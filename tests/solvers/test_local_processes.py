import torch

from co2net_phys.solvers import AdvectionDiffusion, Grid, SolidBodyRotation, SphericalHarmonics
from co2net_phys.solvers.local_processes import Diffusion

DAY = 86400.0


def test_a_diffusivity_in_time_is_not_rounded_to_float32():
    harmonics = SphericalHarmonics(Grid.gaussian(10), 10)
    wind, value = SolidBodyRotation(harmonics, 0.0), 1e6 / 3.0
    state = torch.ones(11, 11, dtype=torch.complex128).tril()
    found, expected = (
        Diffusion(AdvectionDiffusion(harmonics, wind, diffusivity)).over(DAY)(state, 0.0)
        for diffusivity in (lambda time: value, value)
    )
    assert float((found - expected).abs().max()) < 1e-14
