# PyHRF's commands for users and developers. Each does its own set-up: Python >= 3.11 with venv is enough.

# The Python that makes .venv.
PYTHON := $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell command -v $(name) 2>/dev/null)))
# Processes of the test run.
JOBS ?= 2

bin := .venv/bin
pytest := $(bin)/python -m pytest

.PHONY: demo test lint docs unit integration bench clean help
.DEFAULT_GOAL := help

demo: .environment ## analyse the example data, into the folder demo/
	@$(bin)/python tools/demo.py

test: lint docs unit integration ## all checks: lint, documentation, unit tests, integration tests

lint: .environment-test ## style, types, and who may import whom
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports

docs: .environment-docs ## the documentation site, into the folder site/
	@rm -rf site build/doctrees docs/examples
	@$(bin)/python tests/compile_kernels.py
	$(bin)/python -m sphinx -b html -E -W --keep-going -q -d build/doctrees docs site
	@$(bin)/python tools/links.py site
	@echo "The site is site/index.html."

# Both processes, and the programs that tests start, share the compiled modules, whoever starts make.
unit integration: export PYTHONDONTWRITEBYTECODE :=
unit: .environment-test ## the fast tests
	@$(bin)/python tests/compile_kernels.py
	$(pytest) -n $(JOBS) --ignore tests/integration -m "not integration"

integration: .environment-test ## the tests on real data and with real programs
	$(pytest) -n $(JOBS) --dist loadgroup -m "integration and not long"

bench: .environment ## time, memory and accuracy
	$(bin)/python -m benchmarks

clean: ## remove what these commands made
	rm -rf .venv demo site docs/examples build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage
	find src tests tools docs benchmarks validation -name __pycache__ -prune -exec rm -rf {} + \
		2>/dev/null || true

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

# The environment: the script knows whether there is anything to do.
.PHONY: .environment .environment-test .environment-docs .python
.environment: .python
	@$(PYTHON) tools/bootstrap.py

.environment-test: .python
	@$(PYTHON) tools/bootstrap.py test lint docs

.environment-docs: .python
	@$(PYTHON) tools/bootstrap.py docs

.python:
	@test -n "$(PYTHON)" || { \
		echo "Error: no python3 is on the PATH; install Python 3.11 or newer." >&2; exit 1; }
