"""Synthetic reanalyses: tracer transport by given or invented winds, written as a training store."""
