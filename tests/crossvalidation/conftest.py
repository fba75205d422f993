"""Invented sites with records of known covariance, as a table in the layout of the real one."""

import numpy as np
import pytest
import torch

from co2net_phys.crossvalidation.groups import left_out_groups
from co2net_phys.crossvalidation.method import Task
from co2net_phys.crossvalidation.records import MonthlyRecords
from co2net_phys.products.observations import Series

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def invented():
    """Make a task of so many sites and months; the first site has two series."""

    def make(sites=14, months=14, seed=0, values=None, elevation=300.0):
        rng = np.random.default_rng(seed)
        north = np.degrees(np.arcsin(rng.uniform(-0.9, 0.95, sites)))
        east = rng.uniform(-180, 180, sites)
        codes = [f"S{n:03d}" for n in range(sites)]
        if sites > 3:
            codes[1], north[1], east[1] = codes[0], north[0], east[0]
        series = tuple(
            Series(
                site=code,
                site_name=code,
                dataset=f"co2_{code.lower()}_surface-flask_{n}_representative",
                project="surface-flask",
                selection_tag="representative",
                site_latitude=y,
                site_longitude=x,
                elevation=elevation,
                is_monthly_mean=True,
            )
            for n, (code, y, x) in enumerate(zip(codes, north, east, strict=True))
        )
        calendar = np.arange("2008-01", months + 456, dtype="datetime64[M]")[:months]
        t = np.arange(months)
        if values is None:
            trend = 385 + 0.17 * t + 3 * np.sin(np.radians(north))[:, None] * np.cos(t * np.pi / 6)
            values = trend + rng.normal(0, 1, (sites, months))
            values[rng.random(values.shape) < 0.1] = np.nan
        records = MonthlyRecords("invented.csv", series, calendar, values)
        groups, names = left_out_groups(records, "site", None, 1)
        return Task(records, groups), names

    return make
