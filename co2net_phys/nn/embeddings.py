"""Spatio-temporal embeddings of CO2-Net: location terms × terms of wind or of time.

Channel e = i·J + j is location term i times time term j. Location terms (I = 9, latitude major):
(cos, sin, 1)(latitude) × (cos, sin, 1)(longitude). Wind terms (J = 5): cos a, sin a, cos b, sin b,
1 with the phases a, b of `wind_phases` (or of `index_phases`). ClimODE terms: I = 7 (sin lat,
cos lat, sin lon, cos lon, sin lat·cos lon, sin lat·sin lon, 1), J = 5 (sin, cos of the day, sin,
cos of the year, 1), of which the daily pair is left out when frames are a day or more apart.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from co2net_phys.batch import Coordinates
from co2net_phys.nn.tokenizer import compute_dtype, patchify
from co2net_phys.solvers.constants import EARTH_RADIUS_M, SECONDS_PER_DAY

Kind = Literal["wind", "climode", "none"]
Scaling = Literal["physical", "index"]

POLE_CAP_DEGREES = 80.0
"""Latitude beyond which cosθ in the zonal angular speed u/(R cosθ) is held: it is singular at the
poles, and the outermost rows of a 2° grid would turn ten times faster than those at the cap."""

YEAR_S = 365.0 * SECONDS_PER_DAY
"""Seconds per year as the reference code counts it (1460 samples, 4 a day)."""


def location_terms(latitude: Tensor, longitude: Tensor) -> Tensor:
    """Return (9, H, W) products of (cos, sin, 1) of latitude (H,) and longitude (W,) in degrees."""
    north, east = _cos_sin_one(latitude), _cos_sin_one(longitude)
    product = rearrange(north, "i h -> i 1 h 1") * rearrange(east, "j w -> 1 j 1 w")
    return rearrange(product, "i j h w -> (i j) h w")  # (9, H, W)


def climode_location_terms(latitude: Tensor, longitude: Tensor) -> Tensor:
    """Return the seven location terms (7, H, W) of ClimODE for axes in degrees."""
    lat, lon = torch.meshgrid(latitude.deg2rad(), longitude.deg2rad(), indexing="ij")  # (H, W)
    mixed = [lat.sin() * lon.cos(), lat.sin() * lon.sin()]
    simple = [lat.sin(), lat.cos(), lon.sin(), lon.cos()]
    return torch.stack([*simple, *mixed, torch.ones_like(lat)])  # (7, H, W)


def wind_phases(u: Tensor, v: Tensor, coordinates: Coordinates) -> list[Tensor]:
    """Return the angles (rad) the local wind turns by since the window start, 2 × (B, T, H, W).

    a = u t/(R cosθ) and b = v t/R are the paper's 2πUt and 2πVt with U, V in revolutions per
    second, so that a solid-body rotation gives angular speed × time at every latitude below
    `POLE_CAP_DEGREES`. u, v in m/s; t in seconds.
    """
    cap = math.cos(math.radians(POLE_CAP_DEGREES))
    cosine = rearrange(coordinates.latitude.deg2rad().cos().clamp_min(cap), "h -> h 1")
    arc = rearrange(coordinates.elapsed, "b t -> b t 1 1").to(u.dtype) / EARTH_RADIUS_M
    return [u * arc / cosine.to(u.dtype), v * arc]


def index_phases(v: Tensor, coordinates: Coordinates, spacing_s: float) -> list[Tensor]:
    """Return the reference code's phases 2π v i/period, each (B, T, H, W), for z-scored v.

    i counts frames since the start of the year; the periods are 4 and 1460 for sub-daily frames
    and 12 for monthly ones, as in the authors' code ("paper" row; see docs/theory).
    """
    index = (coordinates.year_phase * (YEAR_S / spacing_s)).round()
    turn = 2 * math.pi * v * rearrange(index, "b t -> b t 1 1").to(v.dtype)  # (B, T, H, W)
    periods = (4, 1460) if spacing_s < SECONDS_PER_DAY else (12,)
    return [turn / period for period in periods]


def phase_terms(phases: list[Tensor]) -> Tensor:
    """Return cos and sin of each phase (B, T, H, W), then 1, as (B, T, J, H, W)."""
    pairs = [part for phase in phases for part in (phase.cos(), phase.sin())]
    return torch.stack([*pairs, torch.ones_like(pairs[0])], dim=2)  # (B, T, J, H, W)


def calendar_terms(coordinates: Coordinates, spacing_s: float) -> Tensor:
    """Return sin and cos of the day (if frames resolve it) and of the year, then 1: (B, T, J)."""
    year = coordinates.year_phase
    cycles = [coordinates.day_phase, year] if spacing_s < SECONDS_PER_DAY else [year]
    angles = [2 * math.pi * cycle for cycle in cycles]
    pairs = [part for angle in angles for part in (angle.sin(), angle.cos())]
    return torch.stack([*pairs, torch.ones_like(year)], dim=-1)  # (B, T, J)


class Embedding(nn.Module):
    """The embedding channels of a batch, made once and directly in patches.

    With `wind_withheld` the wind embedding keeps only its location terms, so that nothing behind
    it can copy the wind (theory: consequence of Theorem 3).
    """

    def __init__(
        self, kind: Kind, scaling: Scaling, spacing_s: float, *, wind_withheld: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.scaling, self.spacing_s = kind, scaling, spacing_s
        self.wind_withheld = wind_withheld

    @property
    def needs_wind(self) -> bool:
        """Whether `forward` reads u and v."""
        return self.kind == "wind" and not self.wind_withheld

    @property
    def factors(self) -> tuple[int, int]:
        """(I, J): number of location terms and of time terms; the channels are their products."""
        if self.kind == "none":
            return 0, 0
        daily = self.spacing_s < SECONDS_PER_DAY
        if self.kind == "climode":
            return 7, 5 if daily else 3
        if self.wind_withheld:
            return 9, 1
        return 9, 5 if daily or self.scaling == "physical" else 3

    @property
    def channels(self) -> int:
        """Number of embedding channels E: 45, 35, 27, 21, 9 or 0."""
        location, time = self.factors
        return location * time

    @property
    def mean_square(self) -> float:
        """Sum over the channels of the mean square: each pair (cos, sin) counts one.

        Location: (cos² + sin² + 1)² = 4 for the nine terms; 3 + sin²θ, on average 3½, for ClimODE.
        """
        _, time = self.factors
        location = {"wind": 4.0, "climode": 3.5, "none": 0.0}[self.kind]
        return location * (time + 1) / 2

    def forward(
        self, coordinates: Coordinates, u: Tensor | None, v: Tensor | None, patch: tuple[int, int]
    ) -> Tensor:
        """Return (2, B, T/2, N, E·p·q); u in m/s, v in m/s or z-scored for the index scaling."""
        terms = self._time_terms(coordinates, u, v)  # (B, T, J, H, W)
        make = location_terms if self.kind == "wind" else climode_location_terms
        places = make(coordinates.latitude, coordinates.longitude)  # (I, H, W)
        p, q = patch
        dtype = compute_dtype(terms)
        where = rearrange(places.to(dtype), "i (y p) (x q) -> (y x) i 1 (p q)", p=p, q=q)
        when = patchify(terms, patch).to(dtype)  # (2, B, T/2, N, J·p·q)
        product = where * rearrange(when, "... n (j m) -> ... n 1 j m", m=p * q)
        return rearrange(product, "... n i j m -> ... n (i j m)")  # (2, B, T/2, N, E·p·q)

    def _time_terms(self, coordinates: Coordinates, u: Tensor | None, v: Tensor | None) -> Tensor:
        height, width = coordinates.shape
        if u is not None and v is not None and self.needs_wind:
            if self.scaling == "physical":
                return phase_terms(wind_phases(u, v, coordinates))
            return phase_terms(index_phases(v, coordinates, self.spacing_s))
        terms = calendar_terms(coordinates, self.spacing_s)  # (B, T, J)
        if self.kind == "wind":
            terms = terms[..., -1:]
        uniform = rearrange(terms, "b t j -> b t j 1 1")
        return uniform.expand(-1, -1, -1, height, width)  # (B, T, J, H, W)


def _cos_sin_one(degrees: Tensor) -> Tensor:
    angle = degrees.deg2rad()
    return torch.stack([angle.cos(), angle.sin(), torch.ones_like(angle)])  # (3, n)
