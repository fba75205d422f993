"""Flux towers in the synthetic carbon world: where they stand, what they see, what they miss.

Towers are dense north of 30° and few in the tropics. There they are biased: at night the air that
carries respired carbon drains away below the sensors, so that a fixed share of respiration is lost
and the land seems a stronger sink than it is (compare Fu et al. 2018,
doi:10.1016/j.agrformet.2018.09.001). The bias is kept, so that tests can look for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from co2net_phys.fluxes.fluxnet import MISSING
from co2net_phys.fluxes.schema import REGION_CODES, TROPIC
from co2net_phys.fluxes.sites import Site
from co2net_phys.fluxes.world import CarbonWorld

Array = NDArray[np.float64]

NORTHERN, TROPICAL = 30.0, 20.0
"""Degrees: where most towers stand, and where few do."""

SHARES = {"north": 0.80, "tropics": 1 / 12}
"""Of the towers; the rest stands elsewhere."""

NOISE_FLOOR, NOISE_SHARE = 0.25, 0.12
"""Standard deviation of a day's random error: g m-2 d-1, and as a share of the exchange."""

STAND_SPREAD = 0.04
"""Spread of a stand's respiration about that of its cell, as a share."""

FEWEST_YEARS = 2
"""Years for which a tower runs at least, as far as the record allows."""

OUTAGE_EVERY_DAYS, OUTAGE_DAYS = 120.0, 12.0
"""Mean time between failures that nobody fills, and their mean length."""


@dataclass(frozen=True)
class SimulatedTower:
    """One tower's record and what is wrong with it."""

    site: Site
    cell: int
    days: NDArray[np.datetime64]
    """(n,) days of operation."""
    nee: Array
    """(n,) reported, g m-2 d-1 of carbon; NaN in outages."""
    quality: Array
    """(n,) share of good half-hours."""
    true_nee: Array
    """(n,) of the stand, g m-2 d-1."""
    bias: Array
    """(n,) systematic error of the report, g m-2 d-1: negative in the tropics, else zero."""
    air_temperature: Array
    """(n,) K."""

    def fluxnet_csv(self) -> str:
        """The text of a daily FLUXNET2015 SUBSET file."""
        columns = (self.air_temperature - 273.15, self.nee, self.quality)
        table = [np.where(np.isfinite(column), column, MISSING) for column in columns]
        stamps = [str(day).replace("-", "") for day in self.days]
        lines = ["TIMESTAMP,TA_F,TA_F_QC,NEE_VUT_REF,NEE_VUT_REF_QC"]
        lines += [
            f"{stamp},{warmth:.3f},1,{nee:.5f},{quality:.4f}"
            for stamp, warmth, nee, quality in zip(stamps, *table, strict=True)
        ]
        return "\n".join(lines) + "\n"

    @property
    def file_name(self) -> str:
        """Name that FLUXNET gives such a file."""
        first, last = (day.astype("datetime64[Y]") for day in self.days[[0, -1]])
        return f"FLX_{self.site.code}_FLUXNET2015_SUBSET_DD_{first}-{last}_1-4.csv"


def simulate_towers(world: CarbonWorld) -> tuple[SimulatedTower, ...]:
    """Place the towers and let them measure; each has random numbers of its own."""
    return tuple(_measure(world, number, int(cell)) for number, cell in enumerate(_places(world)))


def _places(world: CarbonWorld) -> NDArray[np.int64]:
    """Cell of each tower: more in large cells and where something grows."""
    random = np.random.default_rng([world.config.seed, 21])
    latitude = world.latitude_of_cells()
    area = (world.land * world.areas)[world.cells]
    grows = area * world.biosphere.respiration.mean(axis=0).clip(0, 2)
    north, tropics = latitude > NORTHERN, np.abs(latitude) < TROPICAL
    groups = {"north": north, "tropics": tropics, "elsewhere": ~(north | tropics)}
    counts = {name: round(share * world.config.towers) for name, share in SHARES.items()}
    counts["elsewhere"] = world.config.towers - sum(counts.values())
    chosen = []
    for name, members in groups.items():
        weight = np.where(members, grows, 0.0)
        chosen.append(random.choice(len(weight), counts[name], p=weight / weight.sum()))
    return np.concatenate(chosen)


def _measure(world: CarbonWorld, number: int, cell: int) -> SimulatedTower:
    random = np.random.default_rng([world.config.seed, 22, number])
    site = _site(world, number, cell, random)
    years = world.config.years
    length = int(random.integers(min(FEWEST_YEARS, years), years + 1))
    first = world.config.start_year + int(random.integers(years - length + 1))
    dates = world.days.astype("datetime64[Y]").astype(int) + 1970
    when = (dates >= first) & (dates < first + length)
    respiration = world.biosphere.respiration[when, cell]
    stand = 1 + STAND_SPREAD * random.standard_normal()
    true = world.biosphere.nee[when, cell] + (stand - 1) * respiration
    loses = abs(site.latitude) < TROPIC
    bias = -world.config.night_loss * stand * respiration * loses
    days = int(when.sum())
    spread = NOISE_FLOOR + NOISE_SHARE * np.abs(true)
    reported = true + bias + spread * random.standard_normal(days)
    quality = np.clip(random.beta(6, 1.5, days), 0, 1)
    out = _outages(days, random)
    warmth = world.biosphere.drivers["Tair"][when, cell] + 0.5 * random.standard_normal(days)
    return SimulatedTower(
        site=site,
        cell=cell,
        days=world.days[when],
        nee=np.where(out, np.nan, reported),
        quality=np.where(out, 0.0, quality),
        true_nee=true,
        bias=bias,
        air_temperature=warmth,
    )


def _site(world: CarbonWorld, number: int, cell: int, random: np.random.Generator) -> Site:
    """A place within the inner half of its cell; the code begins like that of its region."""
    offset = (random.random(2) - 0.5) * world.config.grid_step / 2
    region = world.fractions[:, world.cells][:, cell].argmax()
    return Site(
        f"{REGION_CODES[region][:2]}-{number:03d}",
        round(float(world.latitude_of_cells()[cell] + offset[0]), 4),
        round(float(world.longitude_of_cells()[cell] + offset[1]), 4),
    )


def _outages(days: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Days (n,) on which the tower is down."""
    chance = random.random(days)
    down = np.zeros(days, dtype=bool)
    is_down = False
    for day in range(days):
        is_down = chance[day] > 1 / OUTAGE_DAYS if is_down else chance[day] < 1 / OUTAGE_EVERY_DAYS
        down[day] = is_down
    return down
