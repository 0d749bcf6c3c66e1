# Everything one does with this repository; `make` alone lists it. Needs Python 3.11 or later, nothing else beforehand.

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

# Not `?=`: bash counts the age of a shell in a variable of this name, and some export it.
SECONDS = 60

# What would send pip's packages elsewhere than into $(VENV), or other packages in; mirrors and proxies stay in force.
unexport PYTHONHOME PYTHONPATH PIP_CONSTRAINT PIP_NO_DEPS PIP_PREFIX PIP_PYTHON PIP_REQUIRE_HASHES PIP_ROOT PIP_TARGET
export PIP_USER = 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# The developer's own broker is nobody's business here.
unexport $(filter TOKEN_BROKER_%,$(.VARIABLES))

.PHONY: help demo test test-all lint fmt generate lock bench plots clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(RUNTIME) ## See it work: a token kept fresh for a minute (SECONDS=0: until Ctrl-C); needs no account
	@$(BIN)/token-broker demo --seconds $(SECONDS)

PYTEST = $(BIN)/pytest -n 2 --dist worksteal --cov

test: $(DEV) ## Run the tests that take minutes at most, with branch coverage
	$(PYTEST) -m "not slow"

test-all: test ## Run `test`, then the proofs that take long
	$(PYTEST) -m slow --cov-append

lint: $(DEV) ## Check style, types, the import contract, lock files and generated files
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check
	@! grep -nE '://|^-' requirements/*.txt && ! grep -n '"resolved"' tests/*/package-lock.json || \
	  { echo 'A lock file names where packages come from; make it with `make lock`.' >&2; false; }
	@$(BIN)/token-broker config schema | diff -u config/schema.json - || \
	  { echo 'config/schema.json is out of date; run `make generate`.' >&2; false; }

fmt: $(DEV) ## Mend what `lint` would complain about, as far as a machine can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

generate: $(DEV) ## Write the files that are made from the code
	$(BIN)/token-broker config schema > $(VENV)/generated && mv $(VENV)/generated config/schema.json
	PYTHONPATH=tests $(BIN)/python -m helm.values_schema > $(VENV)/generated && mv $(VENV)/generated helm/token-broker/values.schema.json
	PYTHONPATH=tests $(BIN)/python -m helm.values_page > $(VENV)/generated && mv $(VENV)/generated helm/token-broker/README.md
	$(BIN)/token-broker config schema --markdown > $(VENV)/generated && mv $(VENV)/generated docs/configuration.md
	$(BIN)/python tests/reasons_page.py > $(VENV)/generated && mv $(VENV)/generated docs/reasons.md

# --universal with the oldest Python: else the markers are right for the locking machine only.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)

lock: $(DEV) ## Pin what pyproject.toml asks for (UPGRADE=1: at the newest versions)
	$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra speed --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	for lock in tests/*/package-lock.json; do \
	  (cd "$$(dirname "$$lock")" && npm $(if $(UPGRADE),update,install) --package-lock-only) || exit; \
	done

bench: $(DEV) ## Measure start and memory beside a bare interpreter and a hello server
	$(BIN)/python -m benchmarks.footprint.run

plots: $(DEV) ## Simulate a fleet of 10,000; write the figures and pictures of docs/scaling.md
	$(BIN)/python -m benchmarks.fleet.run

clean: ## Remove all that these targets made
	rm -rf $(VENV) .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist tests/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two steps, because pip refuses a project without a hash beside requirements with one.
$(RUNTIME): pyproject.toml requirements/runtime.txt requirements/build.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements/dev.txt $(RUNTIME)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$python -m venv $(VENV)"; \
	    $$python -m venv --clear $(VENV) && exit; \
	    rm -rf $(VENV); exit 1; \
	  fi; \
	done; \
	echo 'No Python 3.11 or later was found; install one, or name it: make PYTHON=/path/to/python3' >&2; \
	exit 1
