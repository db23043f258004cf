# Everything runs in .venv, which is made on first use. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Stamps: an install is repeated only if what it installs has changed.
BASE := $(VENV)/.installed-base
DEV := $(VENV)/.installed-dev
OUT := runs/demo
WHEEL_VENV := .venv-wheel
SAMPLES := data/samples
# Processes that share the tests, each by whole files; 0: one after the other. With more it is done
# sooner, and a test that stops a process at a moment may come too late.
JOBS ?= 0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format types wheel chaos soak clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(BASE)  ## score the sample inbox, then rank it (installs no torch)
	@mkdir -p $(OUT)
	@echo '$$ replyrank score $(SAMPLES)/inbox.csv -o $(OUT)/scored.csv --force'
	@$(BIN)/replyrank score $(SAMPLES)/inbox.csv -o $(OUT)/scored.csv --force
	@echo '$$ replyrank rank $(SAMPLES)/inbox.csv --replay --top 20'
	@$(BIN)/replyrank rank $(SAMPLES)/inbox.csv --replay --top 20

test: $(DEV)  ## run every test (REPLYRANK_DATA=FOLDER adds those that need the corpora)
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile $(ARGS)

lint: $(DEV)  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV)  ## put the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV)  ## check types, with mypy and with pyright
	$(BIN)/mypy
	$(BIN)/pyright

# The wheel is built from the sdist, not from the checkout: a file that the sdist lacks fails here.
wheel: $(DEV)  ## build sdist and wheel, install the wheel in a clean venv, score and rank with it
	rm -rf dist $(WHEEL_VENV)
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt dist/*.whl
	$(WHEEL_VENV)/bin/python tests/acceptance/installed.py $(SAMPLES)/inbox.csv

chaos: $(DEV)  ## kill those who take messages in, a thousand times on each store (10 minutes)
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.chaos

soak: $(DEV)  ## the service under load, then a million requests, described and broken (2 hours)
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.service
	PYTHONPATH=. $(BIN)/python -m tests.benchmarks.fuzz

clean:  ## remove what was built, installed and written (.venv, dist, caches, runs/demo)
	rm -rf $(VENV) $(WHEEL_VENV) dist $(OUT) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find data models pipeline serving tests training -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "this is Python " \
		+ sys.version.split()[0] + "; replyrank needs 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(BASE): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[train,serve,otel,dev]'
	@touch $(BASE) $@
