# Each target is a few lines that call ordinary tools. `make help` lists them.
SHELL := /bin/bash
PYTHON := $(shell for p in python3.12 python3.13 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v $$p && break; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint bench drill freeze clean python

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: .venv/.run ## start everything: database, servers, dashboards, demo fleet
	@exec $(BIN)/python -m backend.launch

test: .venv/.dev ## all tests; parts whose tool is missing say so
	@$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev ## style, types, import rules, advisories on packages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/python .ci/advisories.py

bench: .venv/.dev ## the platform beside the plain library server, as ratios
	@$(BIN)/python -m bench

drill: .venv/.dev ## kill, starve and cut off the platform while chargers work
	@$(BIN)/python -m drills

freeze: .venv/.dev ## write constraints.txt from what is installed
	@(head -n 1 constraints.txt; $(BIN)/pip freeze | sort -f) > .venv/constraints && mv .venv/constraints constraints.txt

clean: ## remove what was installed; data/ stays
	rm -rf .venv .cache

python:
	@test -n "$(PYTHON)" || { echo "UNIEV needs Python 3.11 or newer (3.12 preferred); none was found on the PATH."; exit 1; }

.venv/bin/python: | python
	@$(PYTHON) -m venv .venv || { echo "Cannot make a virtual environment; on Debian: apt install python3-venv."; exit 1; }

.venv/.run: requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing the pinned packages (once; about a minute) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt && touch $@

.venv/.dev: requirements-dev.txt requirements.txt constraints.txt | .venv/bin/python
	@echo "Installing the packages for tests (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt && touch $@ .venv/.run
