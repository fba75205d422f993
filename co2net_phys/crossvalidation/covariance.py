"""How alike CO2 is at two sites and months: the covariance of the Gaussian process.

CO2 in ppm is the sum of six independent parts (s a site, t a month):

* an unknown cubic polynomial in the sine of latitude, of each month on its own;
* effects of what the site tells (land, people, mountain, …), lasting and by season: linear with
  Gaussian coefficients, the same all over the world;
* a regional and a local field, a(s) a(s') exp(−d/L − Σ r_j |z_j − z_j'|) m(|t − t'|), where d is
  the distance and z are land, mountain and people: a mountain resembles far mountains more than
  the valley below;
* an effect of the site alone, a(s)² m(|t − t'|), which tells nothing of other sites;
* noise of each month, a(s)².

Every amplitude is the exponential of a linear function of what the site tells, so that sites near
strong sources count less for their neighbours, and their own prediction is less certain. The
memory m in time is a mixture of "lasts", "returns every year" and "decays" (exponential).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from co2net_phys.crossvalidation.method import DRIFT_DEGREE, Task, drift_degree
from co2net_phys.crossvalidation.records import Integers

Parameters = Mapping[str, Tensor]
"""Hyper-parameters by name, see `START`."""

AMPLITUDE_FEATURES = ("one", "land", "people", "people wide", "mountain", "polar")
EFFECTS = (
    "land",
    "people",
    "people wide",
    "mountain",
    "land by hemisphere",
    "mountain by hemisphere",
    "all hours",
)
FIELDS = ("regional", "local")
AMPLITUDES = (*FIELDS, "site", "noise")

PEOPLE_SCALE, PEOPLE_WIDE_SCALE = 2.0, 3.0
"""Orders of magnitude of people that bring the descriptions to about 0…1."""

HEMISPHERE_SINE = 0.5
"""Sine of latitude at which a hemisphere counts in full."""

LARGEST_EXPONENT = 5.0
"""Of amplitudes: between 7 ppb and 150 ppm."""

START: Parameters = {
    # ln ppm for each of `AMPLITUDE_FEATURES`, rows as `AMPLITUDES`
    "amplitudes": torch.tensor(
        [
            [0.5, 0.5, 0.0, 0.5, 0.0, 0.0],
            [-0.5, 0.5, 0.0, 0.0, 0.0, 0.0],
            [-0.5, 0.5, 0.5, 0.0, 0.0, 0.0],
            [-0.5, 0.5, 0.0, 0.0, 0.0, 0.0],
        ],
        dtype=torch.float64,
    ),
    "ranges": torch.tensor([2000.0, 700.0], dtype=torch.float64).log(),  # ln km
    "contrasts": torch.full((2, 3), -1.0, dtype=torch.float64),  # ln of land, mountain, people
    "effects": torch.full((len(EFFECTS), 2), 0.5, dtype=torch.float64).log(),  # ln ppm
    "memory shares": torch.zeros(3, 3, dtype=torch.float64),  # logits, rows as `AMPLITUDES`
    "memories": torch.tensor([2.0, 2.0, 3.0], dtype=torch.float64).log(),  # ln months
    "season width": torch.zeros(1, dtype=torch.float64),
}
"""Where the search for hyper-parameters starts, and what its prior is centred on."""


@dataclass(frozen=True)
class Sites:
    """What the covariance needs to know of S series.

    Attributes:
        distance: (S, S) km.
        amplitude_features: (S, 6) columns as `AMPLITUDE_FEATURES`.
        effects: (S, 7) columns as `EFFECTS`.
        contrasts: (3, S, S) absolute differences of land, mountain and people.
        drift: (S, 4) powers of the sine of latitude.
    """

    distance: Tensor
    amplitude_features: Tensor
    effects: Tensor
    contrasts: Tensor
    drift: Tensor


def describe_sites(task: Task) -> Sites:
    """Bring what the sites tell into the form of the covariance."""
    around = task.surroundings
    sine = np.sin(np.radians(around.latitude))
    people = around.people / PEOPLE_SCALE
    wide = around.people_wide / PEOPLE_WIDE_SCALE
    hemisphere = np.clip(sine / HEMISPHERE_SINE, -1, 1)
    features = [np.ones_like(sine), around.land, people, wide, around.mountain, np.abs(sine)]
    effects = [around.land, people, wide, around.mountain]
    effects += [hemisphere * around.land, hemisphere * around.mountain, around.all_hours]
    contrasts = [np.abs(z[:, None] - z) for z in (around.land, around.mountain, people)]
    columns = (np.stack(parts, axis=1) for parts in (features, effects))
    amplitude_features, effect_columns = (torch.from_numpy(part) for part in columns)
    return Sites(
        distance=torch.from_numpy(task.distance),
        amplitude_features=amplitude_features,
        effects=effect_columns,
        contrasts=torch.from_numpy(np.stack(contrasts)),
        drift=torch.from_numpy(sine[:, None] ** np.arange(DRIFT_DEGREE + 1)),
    )


def covariance(sites: Sites, parameters: Parameters, rows: Tensor, months: Tensor) -> Tensor:
    """Covariance (n, n) in ppm² of records of series `rows` (n,) in `months` (n,), float."""
    lag = (months[:, None] - months).abs()
    pairs = (rows[:, None], rows)
    season = _season(lag, parameters)
    exponents = sites.amplitude_features @ parameters["amplitudes"].T
    amplitude = exponents.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT).exp()  # (S, 4)
    total = torch.zeros_like(lag)
    for field in range(len(FIELDS)):
        decay = torch.tensordot(parameters["contrasts"][field].exp(), sites.contrasts, dims=1)
        alike = torch.exp(-sites.distance / parameters["ranges"][field].exp() - decay)
        scale = amplitude[:, field]
        alike = alike * scale[:, None] * scale
        total = total + alike[pairs] * _memory(lag, season, parameters, field)
    lasting, seasonal = (
        (sites.effects * (2 * parameters["effects"][:, i]).exp()) @ sites.effects.T for i in (0, 1)
    )
    total = total + lasting[pairs] + seasonal[pairs] * season
    own = torch.where(rows[:, None] == rows, amplitude[rows, 2].square(), 0.0)
    noise = torch.diag(amplitude[rows, 3].square())
    return total + own * _memory(lag, season, parameters, 2) + noise


def monthly_drift(sites: Sites, rows: Tensor, months: Tensor) -> Tensor:
    """Drift functions (n, p·m) of records: powers of the sine of latitude in each of m months.

    Up to the third power, fewer where the months have few series.
    """
    inside = (months[:, None] == torch.unique(months)).to(sites.drift)
    degree = drift_degree(int(inside.sum(dim=0).median()))
    powers = sites.drift[rows, : degree + 1]
    return (powers[:, :, None] * inside[:, None]).flatten(start_dim=1)


def as_tensors(rows: Integers, columns: Integers) -> tuple[Tensor, Tensor]:
    """Series and months of records in the form that `covariance` takes."""
    return torch.from_numpy(rows), torch.from_numpy(columns).double()


def _season(lag: Tensor, parameters: Parameters) -> Tensor:
    """1 at whole years, less between: the periodic covariance of MacKay (1998)."""
    width = parameters["season width"].exp()
    return torch.exp(-2 * (torch.sin(math.pi * lag / 12) / width).square())


def _memory(lag: Tensor, season: Tensor, parameters: Parameters, part: int) -> Tensor:
    """Correlation at a lag in months: what lasts, returns every year, and decays."""
    lasts, returns, decays = parameters["memory shares"][part].softmax(dim=0)
    return lasts + returns * season + decays * torch.exp(-lag / parameters["memories"][part].exp())
