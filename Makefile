# make serve · make test: all their own set-up, on a machine with Python 3.11+, pip and node 20.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := $(BIN)/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1

.PHONY: help serve test check format bench docs mutants faults money chaos test-live clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Doorward needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Stamps: set-up is done again only when what it depends on changed.
.venv/run.stamp: $(UV) uv.lock pyproject.toml
	@echo "[1/2] Python   .venv from uv.lock"
	@$(UV) sync --quiet --frozen --inexact --no-default-groups
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@$(UV) sync --quiet --frozen --inexact --all-groups --extra mcp
	@touch $@

.venv/ranks.stamp: $(UV) scripts/build_ranks.py .venv/run.stamp
	@$(BIN)/python scripts/build_ranks.py
	@touch $@

serve: .venv/run.stamp .venv/ranks.stamp ## Set up what is missing and serve on http://localhost:8080
	@echo "[2/2] Serve    .venv/bin/doorward serve"
	@exec $(BIN)/doorward serve

test: .venv/dev.stamp .venv/ranks.stamp ## Every law, fault and journey at small counts
	@$(BIN)/pytest -q -n 2 --dist worksteal

check: .venv/dev.stamp ## Format, lint, types, floors
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-timing > .venv/floors.txt || { cat .venv/floors.txt; exit 1; }
	@echo "check: format, lint, types and floors are clean"

format: .venv/dev.stamp ## Write the format
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

bench: .venv/dev.stamp .venv/ranks.stamp ## Benchmarks: ratios in one run, printed
	@$(BIN)/python -m benchmarks

docs: .venv/dev.stamp ## Write the generated reference
	@$(BIN)/python scripts/reference.py

mutants: .venv/dev.stamp .venv/ranks.stamp ## Break each law's line and see its test go red
	@$(BIN)/python scripts/mutants.py

faults money chaos: .venv/dev.stamp .venv/ranks.stamp ## The same tests at the issues' counts
	@DOORWARD_TEST_COUNTS=full $(BIN)/python scripts/full_counts.py $@

test-live: .venv/dev.stamp ## Against the real API, with OPENAI_TEST_API_KEY
	@$(BIN)/pytest -q tests/live -rs

clean: ## Remove what make made
	@rm -rf .venv dist src/doorward/providers/ranks
