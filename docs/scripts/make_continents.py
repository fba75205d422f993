"""Make co2net_phys/data/continents.npz from the Natural Earth 110 m countries (public domain).

Usage: python docs/scripts/make_continents.py PATH/TO/countries.shp [OUTPUT.npz]

Needs pyshp (``pip install pyshp``), which co2phys itself does not: the result is packaged.
Each cell of the 0.5 degree raster holds the code of the continent at its centre, 0 for ocean.
"""

import sys
from pathlib import Path

import numpy as np
import shapefile
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from co2net_phys.data.regions import CONTINENT_CODES, OCEAN_CODE, REMOTE_ISLANDS_CODE

STEP_DEG = 0.5
LATITUDE = np.arange(-90 + STEP_DEG / 2, 90, STEP_DEG)
LONGITUDE = np.arange(-180 + STEP_DEG / 2, 180, STEP_DEG)
DEFAULT_OUTPUT = Path(__file__).parents[2] / "co2net_phys" / "data" / "continents.npz"

NATURAL_EARTH_CONTINENTS = {
    "Africa": CONTINENT_CODES["africa"],
    "Antarctica": CONTINENT_CODES["antarctica"],
    "Asia": CONTINENT_CODES["asia"],
    "Europe": CONTINENT_CODES["europe"],
    "North America": CONTINENT_CODES["north-america"],
    "Oceania": CONTINENT_CODES["australia"],
    "South America": CONTINENT_CODES["south-america"],
    "Seven seas (open ocean)": REMOTE_ISLANDS_CODE,
}


def continent_codes(
    country: str, continent: str, latitude: NDArray[np.float64], longitude: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Continent code of points (n,) of a country; geography overrules flags."""
    codes = np.full(latitude.shape, NATURAL_EARTH_CONTINENTS[continent], dtype=np.uint8)
    if country == "Russia":  # beyond the Urals, and Chukotka on the far side of the date line
        codes[(longitude > 60) | (longitude < 0)] = CONTINENT_CODES["asia"]
    elif country == "France":  # French Guiana
        codes[longitude < -30] = CONTINENT_CODES["south-america"]
    elif country == "Indonesia":  # the western half of New Guinea
        codes[longitude > 131] = CONTINENT_CODES["australia"]
    elif country == "United States of America":  # Hawaii
        codes[(latitude < 30) & (longitude < -140)] = REMOTE_ISLANDS_CODE
    return codes


def points_inside(shape: shapefile.Shape) -> NDArray[np.bool_]:
    """Cell centres (360, 720) inside a multipolygon; a ring within a ring is a hole."""
    inside = np.zeros((LATITUDE.size, LONGITUDE.size), dtype=bool)
    for first, last in zip(shape.parts, [*shape.parts[1:], len(shape.points)], strict=True):
        ring = np.asarray(shape.points[first:last])
        (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
        rows = np.flatnonzero((south <= LATITUDE) & (north >= LATITUDE))
        columns = np.flatnonzero((west <= LONGITUDE) & (east >= LONGITUDE))
        latitude, longitude = np.meshgrid(LATITUDE[rows], LONGITUDE[columns], indexing="ij")
        centres = np.column_stack([longitude.ravel(), latitude.ravel()])
        if centres.size:
            inside[np.ix_(rows, columns)] ^= (
                Outline(ring).contains_points(centres).reshape(latitude.shape)
            )
    return inside


def rasterise(shapefile_path: Path) -> NDArray[np.uint8]:
    """Continent codes (360, 720), latitude ascending from -89.75, longitude from -179.75."""
    raster = np.full((LATITUDE.size, LONGITUDE.size), OCEAN_CODE, dtype=np.uint8)
    latitude, longitude = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    with shapefile.Reader(str(shapefile_path)) as reader:
        for country in reader.iterShapeRecords():
            inside = points_inside(country.shape)
            raster[inside] = continent_codes(
                country.record["name"],
                country.record["continent"],
                latitude[inside],
                longitude[inside],
            )
    return raster


def main(arguments: list[str]) -> None:
    """Read the shapefile named first, write the raster to the file named second."""
    if not arguments:
        sys.exit(__doc__)
    output = Path(arguments[1]) if len(arguments) > 1 else DEFAULT_OUTPUT
    np.savez_compressed(output, continent=rasterise(Path(arguments[0])))
    sys.stderr.write(f"wrote {output} ({output.stat().st_size / 1e3:.1f} kB)\n")


if __name__ == "__main__":
    main(sys.argv[1:])
