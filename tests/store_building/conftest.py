"""A lazy product as a reader gives it: all variables of the schema, three-hourly."""

import hashlib

import dask.array
import numpy as np
import pytest
import xarray as xr

from co2net_phys.data.schema import VARIABLES

LEVELS = {"ps": 1e5, "huss": 0.01, "tas": 280, "uas": 0, "vas": 0, "gph": 30, "oro": 500}
SPREAD = {"ps": 3e3, "huss": 0.002, "tas": 15, "uas": 6, "vas": 6, "gph": 5, "oro": 300}


@pytest.fixture(scope="session")
def product():
    """Function that makes a product whose values depend on the place and the frame alone."""

    def make(frames=120, shape=(32, 64), hours=3, start="2010-01-01", chunk=8, names=VARIABLES):
        north = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(shape[0])[0]))
        east = -180 + np.arange(shape[1]) * 360 / shape[1]

        def block(name, block_info):
            location = block_info[None]["array-location"]
            time = np.arange(*location[0])[:, None, None]
            phase = np.radians(east) - time / 9 + len(name)
            wave = np.cos(np.radians(north))[:, None] * np.cos(2 * phase)
            level, spread = LEVELS.get(name, 400), SPREAD.get(name, 6)
            return (level + spread * (wave + time / 500)).astype(np.float32)

        chunks = dask.array.core.normalize_chunks((chunk, -1, -1), (frames, *shape))
        fields = {}
        for name in names:
            values = dask.array.map_blocks(
                lambda block_info=None, name=name: block(name, block_info),
                dtype=np.float32,
                chunks=chunks,
            )
            attributes = {"units": VARIABLES[name].units, "original_name": name.upper()}
            dims = ("time", "latitude", "longitude")
            if VARIABLES[name].static:
                dims, values = dims[1:], values[0]
            fields[name] = (dims, values, attributes)
        times = np.datetime64(start, "ns") + np.arange(frames) * np.timedelta64(hours, "h")
        places = {"time": times, "latitude": north, "longitude": east}
        return xr.Dataset(fields, places, {"source": "a made-up product"})

    return make


@pytest.fixture(scope="session")
def hashes():
    """Function that gives the SHA-256 of every file below a folder, by its path."""

    def of(folder):
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return of
