"""Which data a store holds, wherever it lies."""

from __future__ import annotations

import hashlib

import numpy as np

from co2net_phys.data.schema import CO2, STATION_CO2, VARIABLES
from co2net_phys.data.splits import time_labels
from co2net_phys.data.store import TrainingStore

FRAMES = 20
"""Of which maps are read, evenly spread over the record."""


def fingerprint(store: TrainingStore) -> str:
    """SHA-256 of times, grid, stations, all observations, and of the maps at some frames.

    A store that is moved keeps its fingerprint, one that is made anew with other values does not.

    Raises
    ------
    DataError
        The store cannot be read.
    """
    digest = hashlib.sha256()
    places = [(one.code, one.latitude, one.longitude) for one in store.stations]
    gridded = [name for name in (CO2, *store.auxiliaries) if name in store.dataset]
    digest.update(repr((time_labels(store), places, gridded)).encode())
    for axis in (store.latitude, store.longitude):
        digest.update(axis.tobytes())
    digest.update(store.read_once(STATION_CO2, 0, len(store)).tobytes())
    frames = np.unique(np.linspace(0, len(store) - 1, FRAMES).astype(int))
    for name in gridded:
        if VARIABLES[name].static:
            digest.update(store.field(name, []).tobytes())
            continue
        for frame in frames:
            digest.update(store.read_once(name, frame, frame + 1).tobytes())
    return digest.hexdigest()
