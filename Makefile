# The two commands of the README come first. Both need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

.PHONY: run test torture lint package bench bench-list bench-slots bench-leaving bench-pressure clean

run: .venv/run   ## install and serve the demo on http://127.0.0.1:8000
	$(BIN)/kalends serve --demo --port $(PORT)

test: .venv/dev   ## install and run every test, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not torture"

torture: .venv/dev   ## the long versions: races, kill -9, database outages
	$(BIN)/python -m pytest -rP -m torture

lint: .venv/dev   ## style, types and the import law
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: .venv/dev   ## build the wheel and use it in a new environment, away from the checkout, as the image does
	rm -rf dist && mkdir dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/python -m pip install --quiet --disable-pip-version-check dist/kalends-*.whl
	cd dist && KALENDS_DATABASE_URL=sqlite:///package.db venv/bin/kalends migrate
	cd dist && KALENDS_DATABASE_URL=sqlite:///package.db venv/bin/kalends org create Packaged --json

bench: .venv/dev   ## bookings per second beside other ways to build the same (a few minutes)
	$(BIN)/python bench/create.py

bench-list: .venv/dev   ## the list of appointments with ten thousand and with a million of them (two minutes)
	$(BIN)/python bench/list.py

bench-leaving: .venv/dev   ## bookings with webhooks and mails beside bookings without (a few minutes)
	$(BIN)/python bench/leaving.py

bench-slots: .venv/dev   ## the search for free time: the engine alone, and over HTTP beside the list (a few minutes)
	$(BIN)/python bench/slots.py

bench-pressure: .venv/dev   ## what one rude client costs the others (ten minutes)
	$(BIN)/python bench/pressure.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch .venv/run

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch .venv/dev .venv/run

clean:
	rm -rf .venv dist build
