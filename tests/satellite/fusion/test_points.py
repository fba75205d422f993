from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from co2net_phys.errors import DataError, UsageError
from co2net_phys.satellite.points import Points, Samples, prediction


def test_samples_come_from_a_store(make_samples: Any) -> None:
    samples = make_samples(7)
    columns = {
        "time": samples.time.astype("M8[ns]"),
        "latitude": samples.latitude,
        "longitude": samples.longitude,
        "xco2": samples.xco2,
        "source": samples.sensors,
    }
    dataset = xr.Dataset(
        {name: ("sample", values) for name, values in columns.items()}
        | {"features": (("feature", "sample"), samples.features.T)},
        coords={"feature": ("feature", np.array(samples.names, np.dtypes.StringDType()))},
    )
    found = Samples.of(dataset, "store")
    for name in ("time", "latitude", "longitude", "features", "xco2", "sensors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(samples, name))
    assert found.names == samples.names and found.origin == "store"
    with pytest.raises(DataError, match="store: xco2: is missing"):
        Samples.of(dataset.drop_vars("xco2"), "store")


def test_the_digest_knows_features_and_their_names(make_samples: Any) -> None:
    one, other = make_samples(5), make_samples(5)
    assert one.digest == other.digest
    other.features[3, 1] += 1
    renamed = replace(one, names=("a", *one.names[1:]))
    assert len({one.digest, other.digest, renamed.digest}) == 3


def test_lengths_must_agree(make_samples: Any) -> None:
    s = make_samples(3)
    with pytest.raises(UsageError, match="not of the same points"):
        Points(s.time, s.latitude[:2], s.longitude, s.features, s.names)
    with pytest.raises(UsageError, match="have 4 names"):
        Points(s.time, s.latitude, s.longitude, s.features, s.names[:4])
    with pytest.raises(UsageError, match="2 values of XCO2"):
        Samples(
            s.time, s.latitude, s.longitude, s.features, s.names, s.xco2[:2], s.sensors, "made up"
        )


def test_no_samples_are_no_samples(make_samples: Any) -> None:
    with pytest.raises(DataError, match="made up: there is no sample"):
        make_samples(0).require_complete()


def test_no_method_is_asked_about_gaps(make_samples: Any) -> None:
    class Counts:
        def predict(self, points: Points) -> Any:
            assert points.complete.all()
            return np.full(len(points), 410.0)

    samples = make_samples(5)
    samples.features[[1, 4], [0, 2]] = np.nan
    found = prediction(Counts(), samples)
    np.testing.assert_array_equal(np.isnan(found), [False, True, False, False, True])
    samples.features[:] = np.nan
    assert np.isnan(prediction(Counts(), samples)).all()
