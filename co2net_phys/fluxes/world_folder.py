"""The files that a flux model learns from and is scored against, in one folder.

`drivers.zarr` or `drivers.nc`; `towers/` with `sites.csv` and one file of records for each tower;
`inversions.nc`; `stations.zarr` and `background.nc` for the physics bridge; `nee.zarr` if the truth
is known; `bridges.json` if they are to be checked. `co2phys simulate --preset carbon-world` writes
all but the last. What is in each is said in `co2net_phys.fluxes.schema`; a user's own folder needs
only those that its model reads.
"""

from __future__ import annotations

from pathlib import Path

from co2net_phys.data.atomic import is_zarr_store
from co2net_phys.errors import DataError
from co2net_phys.fluxes.bridges import Bridge, read_bridges
from co2net_phys.fluxes.drivers import DriverStore, open_drivers
from co2net_phys.fluxes.inversions import Inversions, read_inversions
from co2net_phys.fluxes.schema import DRIVERS
from co2net_phys.fluxes.sites import read_sites
from co2net_phys.fluxes.towers import TowerTable, find_records, join_towers

DRIVERS_FILE = "drivers.zarr"
NEE_FILE = "nee.zarr"
TOWERS_FOLDER = "towers"
SITES_FILE = "sites.csv"
TOWER_TRUTH_FILE = "tower_truth.nc"
INVERSIONS_FILE = "inversions.nc"
STATIONS_FILE = "stations.zarr"
BACKGROUND_FILE = "background.nc"
BRIDGES_FILE = "bridges.json"

_REMEDY = "give a folder as `co2phys simulate --preset carbon-world` writes it"


class WorldFolder:
    """What is in a folder, read when it is asked for.

    Raises
    ------
    DataError
        There is no such folder, or it is a file or a store.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir() or is_zarr_store(folder):
            what = "is a file, not a folder" if folder.exists() else "no such folder"
            raise DataError(f"{folder}: {what}; {_REMEDY}")
        self.folder = folder

    def drivers(self, names: tuple[str, ...] = tuple(DRIVERS)) -> DriverStore:
        """The drivers store."""
        return open_drivers(self._file(DRIVERS_FILE, "the drivers"), names)

    def towers(self, drivers: DriverStore) -> TowerTable:
        """All towers, each with the drivers of its cell."""
        towers = self.folder / TOWERS_FOLDER
        sites = read_sites(self._file(f"{TOWERS_FOLDER}/{SITES_FILE}", "the list of towers"))
        return join_towers(find_records(towers), sites, drivers)

    def has_towers(self) -> bool:
        """Whether there are towers."""
        return (self.folder / TOWERS_FOLDER / SITES_FILE).is_file()

    def inversions(self) -> Inversions:
        """The ensemble of inversions."""
        return read_inversions(self._file(INVERSIONS_FILE, "the inversions"))

    def has_inversions(self) -> bool:
        """Whether there are inversions."""
        return self._found(INVERSIONS_FILE) is not None

    def has_nee(self) -> bool:
        """Whether the true NEE is known."""
        return self._found(NEE_FILE) is not None

    def nee(self) -> Path:
        """File of the true NEE."""
        return self._file(NEE_FILE, "the true NEE")

    def bridges(self) -> tuple[Bridge, ...] | None:
        """Regional bridges, if there are any."""
        found = self._found(BRIDGES_FILE)
        return None if found is None else read_bridges(found)

    def stations(self) -> Path:
        """File of mole fractions at stations, and winds."""
        return self._file(STATIONS_FILE, "mole fractions and winds")

    def background(self) -> Path:
        """File of the fluxes that are known."""
        return self._file(BACKGROUND_FILE, "fluxes of fuels and ocean")

    def _found(self, name: str) -> Path | None:
        """A file of that name, or of the other format that stores have."""
        path = self.folder / name
        other = path.with_suffix({".zarr": ".nc", ".nc": ".zarr"}.get(path.suffix, path.suffix))
        return next((place for place in (path, other) if place.exists()), None)

    def _file(self, name: str, what: str) -> Path:
        found = self._found(name)
        if found is None:
            raise DataError(
                f"{self.folder / name}: there is no such file; it holds {what}; {_REMEDY}"
            )
        return found
