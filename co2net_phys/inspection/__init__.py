"""What a file is, what is wrong with it, and what to do with it next."""

from co2net_phys.inspection.inspecting import inspect
from co2net_phys.inspection.report import Report
from co2net_phys.inspection.text import as_text

__all__ = ["Report", "as_text", "inspect"]
