"""Every bad input, in the order of the page."""

from file_cases import FILES
from grid_cases import GRIDS
from model_cases import MODELS
from output_cases import OPTIONS
from station_cases import OBSERVED, SITES
from time_cases import TIMES
from value_cases import VALUES

GROUPS = (FILES, GRIDS, VALUES, TIMES, MODELS, SITES, OBSERVED, OPTIONS)
