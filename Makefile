# make demo · make test · make dev · make lint — each sets up what it needs

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME := $(CURDIR)/dagster_home

demo: $(VENV)/installed ## words to a scored CLIP in the sandbox world
	$(BIN)/clip-pipeline run --recipe sandbox

test: $(VENV)/installed-dev ## all tests
	$(BIN)/python -m pytest

dev: $(VENV)/installed ## the Dagster page on http://127.0.0.1:3000
	$(BIN)/dagster dev --host 127.0.0.1 --port 3000

lint: $(VENV)/installed-dev ## style and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

readme: $(VENV)/installed-dev ## writes the generated parts of README.md and docs/ anew
	$(BIN)/python docs/generate.py

clean: ## forgets artifacts and history; keeps the environment, the ledger of requests and what was taken down
	git clean -fdXq -e '!takedowns.jsonl' -e '!.ledger' data dagster_home

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clip_pipeline needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ". Run: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ui]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

.PHONY: demo test dev lint readme clean help
