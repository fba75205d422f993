"""From the files of a product to a training store: regrid, align in time, split, write."""

from co2net_phys.store_building.building import Built, build_store
from co2net_phys.store_building.options import BuildOptions
from co2net_phys.store_building.planning import StorePlan, plan_store

__all__ = ["BuildOptions", "Built", "StorePlan", "build_store", "plan_store"]
