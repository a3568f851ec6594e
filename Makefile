# Needs Python 3.11 or later and make; everything else is put into .venv.

# Tests start scalelab many times: it is to be compiled once, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PEERS := $(VENV)/peers

PARTS := guides exercises clusters crash failover labs search timing

.PHONY: help bench test test-all $(PARTS:%=test-%) lint compose benchmarks clean

help:  ## What there is to make
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/'

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[local,dev]'
	@touch $(INSTALLED)

bench: $(INSTALLED)  ## Compare PostgreSQL alone with PostgreSQL and a cache, on this machine
	$(BIN)/scalelab bench caching --runtime local

test: $(INSTALLED)  ## The tests of every day, about eleven minutes; what this machine lacks is skipped
	$(BIN)/python -m pytest -m core -n 4 --dist loadscope --no-loadscope-reorder

test-all: $(INSTALLED)  ## Every test, part by part, and a table; make test-PART runs one of them
	$(BIN)/python -m tests.parts

$(PARTS:%=test-%): test-%: $(INSTALLED)
	$(BIN)/python -m tests.parts $*

lint: $(INSTALLED)  ## Style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

compose: $(INSTALLED)  ## Write the files in compose/ again
	for name in single replication sharding caching; do \
		$(BIN)/scalelab compose $$name --output compose/$$name.yaml || exit 1; \
	done

$(PEERS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]' && touch $(PEERS)

benchmarks: $(INSTALLED)  ## The tool against its peers, side by side, as ratios
	-@$(MAKE) --no-print-directory $(PEERS)  # a peer that cannot be had is said in the table
	$(BIN)/python -m benchmarks

clean:  ## Remove what make made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
