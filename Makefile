# Everything a person types. Needs python3 (3.11 or newer, with venv and pip) and make, nothing else.
#   PYTHON=…     the interpreter to build .venv with
#   TESTFLAGS=…  more for pytest: make test TESTFLAGS='-k matching'

CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
# 3.14 is the newest that Dagster takes.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(FITS)' >/dev/null 2>&1 && echo "$$p" && break; done)
BIN := .venv/bin
UV ?= uv
TESTFLAGS ?=
STEP = @printf '\n== %s\n'

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-ui ui test check coverage bench lock audit docs-data clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: ## make .venv from requirements.lock; quick when nothing changed
	@test -n "$(PYTHON)" || { echo "No Python from 3.11 to 3.14 was found (tried: $(CANDIDATES))."; \
	  echo "Next: install one, for example apt-get install python3 python3-venv, or name it: make setup PYTHON=/path/to/python3.12"; exit 1; }
	@"$(PYTHON)" tools/environment.py

demo: setup ## a simulated marketplace becomes a catalogue on this machine; says where to look
	@$(BIN)/cloudsales demo

demo-ui: setup ## the demo, and Dagster's pages on its data until Ctrl-C
	@$(BIN)/cloudsales demo --ui

ui: setup ## Dagster's webserver and daemon on the configured database (Ctrl-C ends them)
	@$(BIN)/cloudsales up

test: setup ## all the tests, on two cores
	@$(BIN)/python -m pytest -q -n 2 $(TESTFLAGS)

check: setup ## everything that CI runs: style, types, layers, dependencies, tests
	$(STEP) "ruff check (style and common faults)"
	@$(BIN)/ruff check
	$(STEP) "ruff format (layout)"
	@$(BIN)/ruff format --check
	$(STEP) "mypy (types)"
	@$(BIN)/mypy
	$(STEP) "lint-imports (layers)"
	@$(BIN)/lint-imports --no-logo
	$(STEP) "deptry (dependencies)"
	@$(BIN)/deptry .
	$(STEP) "make test"
	@$(MAKE) --no-print-directory test

coverage: setup ## all the tests, and which lines they run (slower; fails below what pyproject.toml asks)
	@$(MAKE) --no-print-directory test TESTFLAGS='--cov --cov-report=term:skip-covered $(TESTFLAGS)'

bench: setup ## the benchmarks: ratios against yardsticks of the same run
	@$(BIN)/python -m benchmarks

lock: ## resolve requirements.lock again from pyproject.toml (needs uv)
	@command -v "$(UV)" >/dev/null || { echo "uv was not found. Next: python3 -m pip install uv, or name it: make lock UV=/path/to/uv"; exit 1; }
	@"$(UV)" pip compile --quiet --universal --python-version 3.11 --no-strip-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	  pyproject.toml --extra dev --output-file requirements.lock $(LOCKFLAGS)

audit: setup ## look for known vulnerabilities in what requirements.lock names (needs the network)
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

docs-data: setup ## write docs/data-dictionary.md again from the schema's comments
	@$(BIN)/python -m cloudsales_pipeline.database.dictionary > .venv/data-dictionary.md
	@mv .venv/data-dictionary.md docs/data-dictionary.md

clean: ## remove .venv and caches; your data under .cloudsales/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage build dist *.egg-info
