"""The command lines of the issue on real winds and a real CO2 field."""

import os
import shlex
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import CO2

DATA = Path(
    os.environ.get("CO2PHYS_SAMPLE_DATA") or Path(__file__).parents[2] / "../shared/data"
).resolve()
TCCO2, GFS, ERA5, ERA_INTERIM = (
    DATA / name
    for name in (
        "co2/SMALL_total_column_co2.nc",
        "winds/gfs_10m_6h_1deg_20161120-22.nc",
        "winds/era5_tl31_19590102T00.nc",
        "winds/eraint_uvz.nc",
    )
)
pytestmark = pytest.mark.skipif(
    not all(path.exists() for path in (TCCO2, GFS, ERA5, ERA_INTERIM)),
    reason=f"no sample data in {DATA}; set CO2PHYS_SAMPLE_DATA",
)
WINDS = {
    "gfs": f"--winds {GFS}",
    "era5": f"--winds {ERA5} --level 850",
    "era-interim": f"--winds {ERA_INTERIM} --level 850 --select month=7",
}
QUICK = "--truncation 42 --duration 12h --output-every 3h --output real.nc"
FULL = "--truncation 85 --duration 48h --output-every 3h --output real.nc"


def command(winds, size, units="--initial-units ppm"):
    return shlex.split(f"simulate {winds} --initial {TCCO2} --initial-var tcco2 {units} {size}")


def credible(path, frames):
    with xr.open_dataset(path) as data:
        assert data[CO2].sizes == {"time": frames, "latitude": 90, "longitude": 120}
        assert np.isfinite(data[CO2]).all()
        assert 365 < data[CO2].min() < data[CO2].max() < 412, "374 to 402 at the start"
        area = np.cos(np.radians(data["latitude"]))
        mean = data[CO2].weighted(area).mean(("latitude", "longitude"))
        assert abs(mean[-1] - mean[0]) < 0.5
        change = abs(data[CO2][-1] - data[CO2][0])
        assert change.max() > 1, "the wind did something"


@pytest.mark.parametrize("winds", WINDS.values(), ids=WINDS)
def test_the_wrong_units_are_refused(co2phys, tmp_path, winds):
    done = co2phys(*command(winds, QUICK, units=""))
    assert done.code == 3
    line = done.err.splitlines()[-1]
    for part in ("co2phys: error: ", TCCO2.name, "'tcco2'", "kg m**-2", "--initial-units"):
        assert part in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("winds", WINDS.values(), ids=WINDS)
def test_real_winds_carry_a_real_field(co2phys, tmp_path, winds):
    done = co2phys(*command(winds, QUICK))
    assert done.code == 0, done.err
    (warning,) = [line for line in done.err.splitlines() if "warning" in line and "tcco2" in line]
    assert TCCO2.name in warning
    assert "'ppm'" in warning
    credible(tmp_path / "real.nc", 5)
    level = co2phys("plot", "real.nc", "--output", "map.png")
    assert level.code == 0, level.err
    assert (tmp_path / "map.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["era5", "era-interim"])
def test_several_levels_need_a_choice(co2phys, tmp_path, name):
    winds, _, _ = WINDS[name].partition(" --level")
    done = co2phys(*command(winds, QUICK))
    assert done.code == 3
    assert "choose one with --level: " in done.err.splitlines()[-1]
    done = co2phys(*command(f"{winds} --level 123", QUICK))
    assert done.code == 3
    assert "no level 123" in done.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_the_winds_cover_48_hours_and_no_more(co2phys, tmp_path):
    done = co2phys(*command(WINDS["gfs"], QUICK.replace("12h", "51h")))
    assert done.code == 3
    assert GFS.name in done.err
    assert "48 h" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("winds", WINDS.values(), ids=WINDS)
def test_the_full_command_gives_a_clean_file(co2phys, tmp_path, winds):
    runner = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is absent")
    done = co2phys(*command(winds, FULL))
    assert done.code == 0, done.err
    credible(tmp_path / "real.nc", 17)
    suite = runner.CheckSuite()
    suite.load_all_available_checkers()
    dataset = suite.load_dataset(str(tmp_path / "real.nc"))
    results = suite.run_all(dataset, ["cf:1.11", "acdd:1.3"], skip_checks=[])
    dataset.close()
    for checker, (groups, errors) in results.items():
        weight = 2 if checker.startswith("cf") else 3
        wrong = [g.msgs for g in groups if g.weight >= weight and g.value[0] < g.value[1]]
        assert (wrong, errors, bool(groups)) == ([], {}, True), checker
