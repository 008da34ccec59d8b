# Everything runs from .venv, which the targets below make and keep up to date by themselves.

PYTHON  ?= python3
WORKERS ?= 2
ARGS    ?=

VENV := .venv
BIN  := $(VENV)/bin
PIP  := $(BIN)/python -m pip --disable-pip-version-check -qq
CODE := $(wildcard src tests examples benchmarks conftest.py)
SAY  := @printf '\n==> %s\n'

export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test format lint types unit postgres coverage bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## show what it does; on a terminal then serve accounts, orders and products
	$(SAY) 'demo'
	@$(BIN)/everfold demo $(ARGS)
	@if [ -z '$(ARGS)' ] && [ -t 0 ] && [ -t 1 ]; then \
	  printf '\n==> %s\n' 'the shop: accounts, orders and products as one service'; \
	  $(BIN)/python -m examples.shop; \
	else \
	  printf '\n%s\n' 'Serve accounts, orders and products: $(BIN)/python -m examples.shop'; \
	fi

test: lint types coverage ## run every check

format: $(VENV)/.dev ## rewrite the code in the house format
	$(SAY) 'ruff: fix and format'
	@$(BIN)/ruff check --fix-only --quiet $(CODE)
	@$(BIN)/ruff format $(CODE)

lint: $(VENV)/.dev ## check format, style and the arrows between the rooms
	$(SAY) 'ruff format: the code has the house format'
	@$(BIN)/ruff format --check $(CODE)
	$(SAY) 'ruff check: style'
	@$(BIN)/ruff check $(CODE)
	$(SAY) 'import-linter: imports follow the arrows'
	@$(BIN)/lint-imports --no-logo

types: $(VENV)/.dev ## check types with mypy and pyright, both strict
	$(SAY) 'mypy: strict types'
	@$(BIN)/mypy $(CODE)
	$(SAY) 'pyright: strict types'
	@$(BIN)/pyright

unit: $(VENV)/.dev ## run pytest alone; ARGS="-k name" is passed on
	$(SAY) 'pytest'
	@$(BIN)/python -m pytest $(ARGS)

postgres: $(VENV)/.dev ## run the tests that use PostgreSQL, on the programs in PG_BIN
	$(SAY) 'pytest on PostgreSQL $(PG_BIN)'
	@$(BIN)/python -m pytest -n $(WORKERS) -k postgres $(ARGS)

coverage: $(VENV)/.dev ## run pytest with coverage
	$(SAY) 'pytest with coverage'
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term $(ARGS)

bench: $(VENV)/.dev ## run the benchmarks; ARGS is passed on
	$(SAY) 'benchmarks'
	@$(BIN)/python -m benchmarks $(ARGS)

# --- environment ------------------------------------------------------------------------------

$(BIN)/python:
	$(SAY) 'make $(VENV)'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'everfold needs Python 3.11 or newer: run make again with PYTHON=<path to one>.' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: install your system's python3-venv package and run make again." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo $(VENV)/.dev: $(VENV)/.%: requirements/%.txt pyproject.toml | $(BIN)/python
	$(SAY) 'install requirements/$*.txt and everfold into $(VENV)'
	@$(PIP) install --require-hashes -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

UPGRADE ?= --upgrade
PIN := $(VENV)-lock/bin/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header \
  --no-annotate --universal --python-version 3.11 $(UPGRADE)

lock: ## pin the newest allowed versions; UPGRADE= changes only what must change
	$(SAY) 'uv: resolve and pin'
	@test -x $(VENV)-lock/bin/python || $(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip --disable-pip-version-check -qq install --require-hashes -r requirements/lock.txt
	@$(PIN) pyproject.toml --all-extras --group build --group test --group embedding --group lint --group bench -o requirements/dev.txt
	@$(PIN) pyproject.toml --all-extras --group build --constraint requirements/dev.txt -o requirements/demo.txt
	@$(PIN) pyproject.toml --extra cli --extra http --extra postgres --constraint requirements/dev.txt -o requirements/image.txt
	@$(PIN) --group lock -o requirements/lock.txt

clean: ## remove everything the other targets made
	@rm -rf $(VENV) $(VENV)-lock .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache \
	  .pytest_cache .ruff_cache build dist
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
