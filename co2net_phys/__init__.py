"""co2phys: physics-coupled reconstruction of global surface CO2 from sparse stations."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("co2phys")
except PackageNotFoundError:  # imported from a tree that was never installed
    __version__ = "0+unknown"
