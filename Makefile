# make demo: a VAE-GAN on characters, and its report. make test: the tests. Both set up everything in .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN = .venv/bin

.PHONY: demo test test-machines quick check format lint types clean

demo: .venv/ready
	$(BIN)/ganvas train vaegan --data glyphs --images 45000 --out runs/demo --overwrite

test: .venv/ready
	$(BIN)/python -m pytest -n 2

test-machines: .venv/ready
	$(BIN)/python tests/machines.py $(ROWS)

quick: .venv/ready lint types
	$(BIN)/python -m pytest -n 2 -m "not trains and not slow"

check: .venv/ready lint types test

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/pyright

format: .venv/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ganvas needs Python 3.11 or newer; try make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info .pytest_cache .ruff_cache
