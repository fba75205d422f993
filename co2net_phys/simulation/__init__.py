"""Synthetic reanalyses: tracers carried by given or invented winds, written as a store."""
