# make serve · make test: all their own set-up, on a machine with Python 3.11+, pip and node 20.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
UV := $(BIN)/uv
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1
export UV_SYSTEM_CERTS := 1

.PHONY: help serve pages test check format bench docs mutants faults money chaos test-again test-slow test-live clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Doorward needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# Stamps: set-up is done again only when what it depends on changed.
.venv/run.stamp: $(UV) uv.lock pyproject.toml
	@echo "[1/3] Python   .venv from uv.lock"
	@$(UV) sync --quiet --frozen --inexact --no-default-groups
	@touch $@

.venv/dev.stamp: .venv/run.stamp
	@$(UV) sync --quiet --frozen --inexact --all-groups --extra mcp
	@touch $@

.venv/ranks.stamp: $(UV) scripts/build_ranks.py .venv/run.stamp
	@$(BIN)/python scripts/build_ranks.py
	@touch $@

# `npm --prefix ui ci` would not read the machine's own npmrc (registry, certificates): hence `cd`.
# The pages are made of ui/ and of the control plane's OpenAPI document, which types their client.
UI_SOURCES := $(shell find ui -type f -not -path '*/node_modules/*' -not -name schema.d.ts)
API_SOURCES := $(wildcard src/doorward/edge/*.py src/doorward/edge/control_plane/*.py)

ui/node_modules/.package-lock.json: ui/package-lock.json
	@echo "[2/3] Pages    npm ci"
	@cd ui && npm ci --loglevel error --no-progress --no-audit --no-fund > /dev/null
	@touch $@

.venv/pages.stamp: ui/node_modules/.package-lock.json $(UI_SOURCES) $(API_SOURCES) scripts/openapi.py .venv/run.stamp
	@echo "[2/3] Pages    build"
	@$(BIN)/python scripts/openapi.py > ui/openapi.json
	@npm --prefix ui run --silent api > /dev/null
	@npm --prefix ui run --silent build > .venv/pages.log 2>&1 || { cat .venv/pages.log; exit 1; }
	@touch $@

pages: .venv/pages.stamp

serve: .venv/run.stamp .venv/ranks.stamp .venv/pages.stamp ## Set up what is missing and serve on http://localhost:8080
	@echo "[3/3] Serve    .venv/bin/doorward serve"
	@exec $(BIN)/doorward serve

test: .venv/dev.stamp .venv/ranks.stamp .venv/pages.stamp ## Every law, fault and journey at small counts
	@npm --prefix ui run --silent test
	@$(BIN)/pytest -q -n 2 --dist worksteal -m "not slow"

test-again: ## Those that failed last, one at a time: tells a timing that a busy machine broke from a fault
	@$(BIN)/pytest -q --last-failed --last-failed-no-failures none

test-slow: .venv/dev.stamp .venv/ranks.stamp ## What takes over 20 s and the npm registry: the Next.js example is built
	@$(BIN)/pytest -q -m slow

check: .venv/dev.stamp ## Format, lint, types, floors
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports > .venv/floors.txt || { cat .venv/floors.txt; exit 1; }
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
	@rm -rf .venv dist src/doorward/providers/ranks src/doorward/ui_dist ui/node_modules ui/openapi.json ui/src/api/schema.d.ts test-output
