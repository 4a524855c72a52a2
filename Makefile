# make demo · make test · make check · make dev · make lint — each sets up what it needs
# make PYTHON=python3.12 ...  another Python; make TORCH=cpu ...  another build of torch than the one that .ci/install.py picks

PYTHON ?= python3
export TORCH ?= auto
VENV := .venv
BIN := $(VENV)/bin
ON_ALL_CORES := -n logical --dist loadfile --no-loadscope-reorder --max-worker-restart=0 # after the end of a worker xdist would wait for ever
WITH_SIGNALS := clip_pipeline_tests/cli/test_dev.py clip_pipeline_tests/defs/test_own_process.py
export DAGSTER_HOME := $(CURDIR)/dagster_home
unexport PYTHONDONTWRITEBYTECODE # else each of the programs that tests start compiles the package anew

demo: $(VENV)/installed ## words to a scored CLIP in the sandbox world
	$(BIN)/clip-pipeline run --recipe sandbox

test: $(VENV)/installed-dev ## all tests, on all cores
	$(BIN)/python -m pytest $(ON_ALL_CORES) -m "not signals" --durations=15
	$(BIN)/python -m pytest -n0 $(WITH_SIGNALS) -m signals

page-test: $(VENV)/installed-dev ## a day on the Dagster page in a browser, with screenshots in page-test/, and thirty kills: an hour
	CLIP_PIPELINE_PAGE_TEST=$(CURDIR)/page-test $(BIN)/python -m pytest -n0 clip_pipeline_tests/browser

crash-test: $(VENV)/installed-dev ## commands that go on from every state of the disk at which they may be killed: half an hour; POINTS=20 for a sample of each
	rm -rf $(CURDIR)/crash-test && $(BIN)/python -m clip_pipeline_tests.crash_points.walk all $(CURDIR)/crash-test $(if $(POINTS),--points $(POINTS))

kill-test: $(VENV)/installed-dev ## the whole graph with 200 troubles at random moments: kills, lost workers and hosts, a full disk; KILLS=20 for fewer, SEED=1 for others
	rm -rf $(CURDIR)/kill-test && $(BIN)/python -m clip_pipeline_tests.kills.graph $(CURDIR)/kill-test --kills $(or $(KILLS),200) --seed $(or $(SEED),0) --disk

hostile-test: $(VENV)/installed-dev ## every hostile file through its reader: three minutes
	CLIP_PIPELINE_HOSTILE_FILES=1 $(BIN)/python -m pytest -n0 clip_pipeline_tests/test_hostile_files.py

check: lint ## style, types and the quick tests: a minute
	$(BIN)/python -m pytest $(ON_ALL_CORES) -m "not slow and not signals"

dev: $(VENV)/installed ## the Dagster page; make dev RECIPE=laptop DATA=mydata PORT=3001 for others than the sandbox's
	@exec $(BIN)/clip-pipeline dev $(if $(RECIPE),--recipe '$(RECIPE)') $(if $(DATA),--data '$(DATA)' --home '$(DATA)/.dagster') $(if $(PORT),--port $(PORT))

lint: $(VENV)/installed-dev ## style and types
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(VENV)/installed-dev ## writes the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

clean: ## forgets artifacts and history; keeps the environment, the ledger of requests and what was taken down
	git clean -fdXq -e '!takedowns.jsonl' -e '!.ledger' data dagster_home

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "clip_pipeline needs Python 3.11 to 3.13, this is " + sys.version.split()[0] + ". Run: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python .ci/install.py ui
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python .ci/install.py dev
	touch $@

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo test page-test crash-test kill-test hostile-test check dev lint docs clean help
