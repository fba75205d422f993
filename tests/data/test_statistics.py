import numpy as np
import pytest

from co2net_phys.data.schema import AUXILIARIES, CO2
from co2net_phys.data.statistics import CHUNK, field_statistics
from co2net_phys.data.store import TrainingStore
from co2net_phys.errors import DataError


@pytest.fixture(scope="module")
def data(small_world):
    return small_world(2 * CHUNK + 20)


@pytest.mark.parametrize("frames", [np.arange(3), np.arange(7, 2 * CHUNK + 9)])
def test_the_same_as_numpy(data, frames):
    statistics = field_statistics(TrainingStore(data, "w"), frames)
    assert set(statistics) == {CO2, *AUXILIARIES}
    for name, (mean, deviation) in statistics.items():
        values = data[name].values.astype(np.float32).astype(np.float64)
        values = values if name == "oro" else values[frames]
        assert mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-9)
        assert deviation == pytest.approx(values.std(), rel=1e-6)


def test_a_large_mean_does_not_spoil_a_small_spread(data):
    high = data.assign(ps=1e5 + 0.1 * data["ps"])
    _, deviation = field_statistics(TrainingStore(high, "w"), np.arange(140))["ps"]
    expected = high["ps"].values[:140].astype(np.float32).astype(np.float64).std()
    assert deviation == pytest.approx(expected, rel=1e-6)


def test_missing_co2_does_not_count(data):
    hole = data.copy(deep=True)
    hole[CO2][5:20, 3:9] = np.nan
    mean, deviation = field_statistics(TrainingStore(hole, "w"), np.arange(50))[CO2]
    values = hole[CO2].values[:50].astype(np.float32).astype(np.float64)
    assert mean == pytest.approx(np.nanmean(values), rel=1e-9)
    assert deviation == pytest.approx(np.nanstd(values), rel=1e-6)


def test_what_does_not_vary_is_named(data):
    flat = data.assign(huss=0 * data["huss"] + 0.01)
    with pytest.raises(DataError, match=r"world\.nc: variable 'huss' does not vary"):
        field_statistics(TrainingStore(flat, "world.nc"), np.arange(5))
