# Taskyard. `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
# More arguments for the program that a target runs, e.g. make test ARGS=tests/unit
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-slow bench prove soak screenshots lint clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: $(INSTALLED) ## start PostgreSQL, Redis, the worker and the dashboard, with sample work
	@exec $(RUN) -m worker run --dashboard --demo --migrate $(ARGS)

test: $(INSTALLED) ## run every test that is not slow, and print the coverage (at least 85 %)
	@exec $(RUN) -m pytest -n 4 --dist worksteal -m "not slow" --cov --cov-report=term --cov-fail-under=85 $(ARGS)

test-slow: $(INSTALLED) ## run the slow tests: long searches of the model, proofs and a soak
	@exec $(RUN) -m pytest -n 4 --dist worksteal -m slow $(ARGS)

bench: $(INSTALLED) ## measure throughput and latency on this machine
	@exec $(RUN) -m worker bench $(ARGS)

prove: $(INSTALLED) ## kill everything under real work, and count what became of it
	@exec $(RUN) -m worker prove $(ARGS)

soak: $(INSTALLED) ## work for 15 minutes, and see whether anything grows
	@exec $(RUN) -m worker soak $(ARGS)

screenshots: $(INSTALLED) ## take pictures of every page, of an installation with sample work
	@exec $(RUN) -m tests.browser.screenshots $(ARGS)

lint: $(INSTALLED) ## check style and formatting
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

clean: ## remove the virtual environment and caches; the data in .data stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Taskyard needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	  echo "Name another one: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { \
	  echo "Python can't make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing what requirements.txt lists …"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
