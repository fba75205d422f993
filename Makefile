# Everything runs in one environment: .venv, or the folder that VENV names.
VENV ?= .venv
PYTHON ?= python3
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.co2phys-ready
# Two processes of one thread each: tests are small, and threads would only wait for each other.
PYTEST := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check docs clean

help:
	@echo "make demo       reconstruct an invented Earth from its stations (about 5 minutes)"
	@echo "make test       the quick tests (under 10 minutes)"
	@echo "make test-slow  the slow tests"
	@echo "make check      formatting, lint, types, import layers"
	@echo "make docs       build the documentation into site/"

# Made again when the tested set or the package's own description changes.
$(STAMP): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/co2phys demo --output demo

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-slow: $(STAMP)
	$(PYTEST) -m slow

# mypy and import-linter read what ships: they cannot follow the folder map of a checkout.
check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/shipped build/lib
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --target build/shipped .
	MYPYPATH=build/shipped $(BIN)/mypy --config-file pyproject.toml -p co2net_phys
	cd build/shipped && $(BIN)/lint-imports --config ../../.importlinter --no-cache

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache
