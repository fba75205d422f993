"""Make co2net_phys/fluxes/reccap2.npz from the Natural Earth 110 m countries (public domain).

Usage: python docs/scripts/make_reccap2.py PATH/TO/countries.shp [OUTPUT.npz]

Needs pyshp (``pip install pyshp``), which co2phys itself does not: the result is packaged.
Each cell of the 0.5 degree raster holds one more than the number of the region at its centre, 0 for
ocean and for land of no region: Greenland, Antarctica and the French southern islands.

The 18 regions of RECCAP2 are groups of whole countries. Their list is not part of the sources of
this project; where a border is in doubt the countries are placed as the United Nations or common
use of the names would have it:

* Turkey and Iran are Mideast, the Caucasus is Central Asia, as is Mongolia; Afghanistan is South
  Asia; Taiwan goes with China; New Guinea is cut at the border, its west is Southeast Asia;
* Northern Africa reaches to the southern border of the Sahel, without Ethiopia and Somalia;
  Southern Africa begins with Angola, Zambia, Malawi and Mozambique, and has Madagascar;
* Peru and Bolivia are Southwest South America, Ecuador and French Guiana Northern South America;
  the Caribbean islands with Trinidad are Central America.
"""

import sys
from pathlib import Path

import numpy as np
import shapefile
from make_continents import LATITUDE, LONGITUDE, points_inside
from numpy.typing import NDArray

from co2net_phys.fluxes.schema import REGION_CODES

DEFAULT_OUTPUT = Path(__file__).parents[2] / "co2net_phys" / "fluxes" / "reccap2.npz"

COUNTRIES = {
    "USA": "United States of America",
    "CAN": "Canada",
    "CAM": "Mexico, Guatemala, Belize, Honduras, El Salvador, Nicaragua, Costa Rica, Panama, Cuba, "
    "Haiti, Dominican Rep., Bahamas, Puerto Rico, Jamaica, Trinidad and Tobago",
    "NSA": "Colombia, Venezuela, Guyana, Suriname, Ecuador",
    "BRA": "Brazil",
    "SSA": "Peru, Bolivia, Paraguay, Uruguay, Argentina, Chile, Falkland Is.",
    "EU": "Norway, France, Sweden, Belarus, Ukraine, Poland, Austria, Hungary, Moldova, Romania, "
    "Lithuania, Latvia, Estonia, Germany, Bulgaria, Greece, Albania, Croatia, Switzerland, "
    "Luxembourg, Belgium, Netherlands, Portugal, Spain, Ireland, Italy, Denmark, United Kingdom, "
    "Iceland, Slovenia, Finland, Slovakia, Czechia, Bosnia and Herz., Macedonia, Serbia, "
    "Montenegro, Kosovo, Cyprus, N. Cyprus",
    "NAF": "Morocco, W. Sahara, Algeria, Tunisia, Libya, Egypt, Mauritania, Mali, Niger, Chad, "
    "Sudan, Eritrea, Djibouti, Senegal, Gambia, Burkina Faso",
    "EQAF": "Guinea, Guinea-Bissau, Sierra Leone, Liberia, Côte d'Ivoire, Ghana, Togo, Benin, "
    "Nigeria, Cameroon, Central African Rep., Eq. Guinea, Gabon, Congo, Dem. Rep. Congo, S. Sudan, "
    "Ethiopia, Somalia, Somaliland, Kenya, Uganda, Rwanda, Burundi, Tanzania",
    "SAF": "Angola, Zambia, Malawi, Mozambique, Zimbabwe, Botswana, Namibia, South Africa, "
    "Lesotho, eSwatini, Madagascar",
    "RUS": "Russia",
    "CAS": "Kazakhstan, Uzbekistan, Turkmenistan, Kyrgyzstan, Tajikistan, Mongolia, Georgia, "
    "Armenia, Azerbaijan",
    "MIDE": "Turkey, Syria, Lebanon, Israel, Palestine, Jordan, Iraq, Iran, Kuwait, Saudi Arabia, "
    "Qatar, United Arab Emirates, Oman, Yemen",
    "CHN": "China, Taiwan",
    "KAJ": "North Korea, South Korea, Japan",
    "SAS": "Afghanistan, Pakistan, India, Nepal, Bhutan, Bangladesh, Sri Lanka",
    "SEAS": "Myanmar, Thailand, Laos, Cambodia, Vietnam, Malaysia, Brunei, Indonesia, Philippines, "
    "Timor-Leste",
    "OCE": "Australia, New Zealand, Papua New Guinea, Solomon Is., Vanuatu, New Caledonia, Fiji",
}

NO_REGION = {"Greenland", "Antarctica", "Fr. S. Antarctic Lands"}

REGION_OF = {
    country: code for code, countries in COUNTRIES.items() for country in countries.split(", ")
}


def region_numbers(country: str, longitude: NDArray[np.float64]) -> NDArray[np.uint8]:
    """One more than the region's number for points (n,) of a country; 0 for none.

    Raises:
        KeyError: the country is in no list.
    """
    if country in NO_REGION:
        return np.zeros(longitude.shape, dtype=np.uint8)
    number = REGION_CODES.index(REGION_OF[country]) + 1
    codes = np.full(longitude.shape, number, dtype=np.uint8)
    if country == "France":  # French Guiana
        codes[longitude < -30] = REGION_CODES.index("NSA") + 1
    return codes


def rasterise(shapefile_path: Path) -> NDArray[np.uint8]:
    """Numbers (360, 720), latitude ascending from -89.75, longitude from -179.75."""
    raster = np.zeros((LATITUDE.size, LONGITUDE.size), dtype=np.uint8)
    longitude = np.broadcast_to(LONGITUDE, raster.shape)
    with shapefile.Reader(str(shapefile_path)) as reader:
        for country in reader.iterShapeRecords():
            inside = points_inside(country.shape)
            raster[inside] = region_numbers(country.record["name"], longitude[inside])
    return raster


def main(arguments: list[str]) -> None:
    """Read the shapefile named first, write the raster to the file named second."""
    if not arguments:
        sys.exit(__doc__)
    output = Path(arguments[1]) if len(arguments) > 1 else DEFAULT_OUTPUT
    np.savez_compressed(output, region=rasterise(Path(arguments[0])))
    sys.stderr.write(f"wrote {output} ({output.stat().st_size / 1e3:.1f} kB)\n")


if __name__ == "__main__":
    main(sys.argv[1:])
