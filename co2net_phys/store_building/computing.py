"""Where the work is done: threads of this machine, or a dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask

from co2net_phys.errors import UsageError

CONNECT_SECONDS = 10


@contextmanager
def scheduler(address: str | None, workers: int) -> Iterator[str]:
    """Compute dask graphs of the block on a cluster at `address`, or in `workers` threads here.

    Gives a description. The cluster's machines must see the input files under the same paths.

    Raises
    ------
    UsageError
        The package distributed is not installed, or nothing answers at `address`.
    """
    if address is None:
        with dask.config.set(scheduler="threads", num_workers=workers):
            yield f"{workers} threads of this machine"
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            f"--scheduler {address}: needs the package distributed; pip install 'co2phys[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"--scheduler {address}: no dask scheduler answers there; start one with "
            "`dask scheduler`, or leave the option out"
        ) from error
    with client, client.as_current(), dask.config.set(scheduler=client):
        yield f"dask cluster at {address}"
