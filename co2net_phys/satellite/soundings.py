"""What a satellite would report for a known profile: the averaging-kernel operator."""

from __future__ import annotations

from co2net_phys.satellite.schema import Floats, Soundings


def averaging_kernel_xco2(
    profile: Floats,
    apriori_profile: Floats,
    averaging_kernel: Floats,
    pressure_weight: Floats,
    apriori_xco2: Floats | None = None,
) -> Floats:
    """XCO2 that a retrieval gives for a true profile, without noise: xa + Σ h a (x − xₐ).

    Args:
        profile: true dry mole fraction at the retrieval's levels (..., levels), µmol mol-1.
        apriori_profile: xₐ, what the retrieval started from (..., levels), µmol mol-1.
        averaging_kernel: a, normalised (..., levels), 1.
        pressure_weight: h (..., levels), sums to 1 over the levels.
        apriori_xco2: its column mean (...), µmol mol-1; Σ h xₐ if not given.

    Returns:
        XCO2 (...), µmol mol-1.

    Reference: Connor et al. (2008), doi:10.1029/2006JD008336, equation (14).
    """
    if apriori_xco2 is None:
        apriori_xco2 = column_mean(apriori_profile, pressure_weight)
    change = pressure_weight * averaging_kernel * (profile - apriori_profile)
    return apriori_xco2 + change.sum(axis=-1)


def column_mean(profile: Floats, pressure_weight: Floats) -> Floats:
    """Column mean Σ h x (...) of a profile at levels (..., levels), in the profile's unit."""
    return (pressure_weight * profile).sum(axis=-1)


def seen_by(soundings: Soundings, profile: Floats) -> Floats:
    """XCO2 (n,) that these soundings would report for true profiles (n, levels), µmol mol-1."""
    return averaging_kernel_xco2(
        profile,
        soundings.apriori_profile,
        soundings.averaging_kernel,
        soundings.pressure_weight,
        soundings.apriori_xco2,
    )
