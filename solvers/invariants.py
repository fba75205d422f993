"""Integral and pointwise properties of a modal tracer that transport keeps or bounds."""

import math

from torch import Tensor

from co2net_phys.solvers.harmonics import SphericalHarmonics


def total_mass(harmonics: SphericalHarmonics, modal: Tensor) -> Tensor:
    """Area integral (...) of ``modal`` (..., l, m), tracer unit times m².

    Kept by a non-divergent wind without source: in the advective form only then.
    """
    return 4.0 * math.pi * harmonics.radius**2 * harmonics.global_mean(modal)


def variance(modal: Tensor) -> Tensor:
    """Area variance (...) of ``modal`` (..., l, m), tracer unit squared, by Parseval.

    Kept by a non-divergent wind without source and diffusion, reduced by diffusion.
    """
    power = (modal.real**2 + modal.imag**2).sum(-2)  # (..., m)
    # Order −m carries as much as m; the mean is a_00.
    total = 2.0 * power.sum(-1) - power[..., 0]
    return (total - modal[..., 0, 0].real ** 2) / (4.0 * math.pi)


def extrema(harmonics: SphericalHarmonics, modal: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest nodal value (...) of ``modal`` (..., l, m), tracer unit.

    Transport creates no new extrema; a truncated series over- and undershoots at fronts.
    """
    nodal = harmonics.to_nodal(modal)
    return nodal.amin((-2, -1)), nodal.amax((-2, -1))


def inner_product(first: Tensor, second: Tensor) -> Tensor:
    """∫ f g dΩ (...) over the unit sphere of two modal fields (..., l, m), by Parseval.

    The product in which adjoint operators are meant: divided by 4π it is the mean of f g.
    """
    products = first.real * second.real + first.imag * second.imag
    # Order −m carries as much as m.
    return 2.0 * products.sum((-2, -1)) - products[..., 0].sum(-1)
