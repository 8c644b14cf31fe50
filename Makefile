# The two commands of the README come first. Both need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin

INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test test-ci test-all torture snapshots lint package lock upgrade audit bench bench-list bench-slots bench-leaving bench-pages bench-pressure clean

run: .venv/run   ## install and serve the demo on http://127.0.0.1:8000
	$(BIN)/kalends serve --demo --port $(PORT)

test: .venv/dev   ## install and run every test that is quick, with SQLite and with a real PostgreSQL
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not torture and not again and not slow"

test-ci: .venv/dev   ## the same with what is slow, as .ci/run does before anything lands
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile thorough -m "not torture and not again"

test-all: .venv/dev   ## the same with what can hardly differ between the databases on both of them, before a release
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile thorough -m "not torture"

torture: .venv/dev   ## the long versions: races, kill -9, database outages
	$(BIN)/python -m pytest -rP --hypothesis-profile thorough -m torture

snapshots: .venv/dev   ## renew the examples, the OpenAPI document and what else tests compare with; then read the difference
	for each in house/test_examples house/test_openapi house/test_errors api/test_stored_events; do \
	  KALENDS_UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/$$each.py || exit; done

lint: .venv/dev   ## style, types and the import law
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: .venv/dev   ## build the wheel and use it in a new environment, away from the checkout, as the image does
	rm -rf dist && mkdir dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/python $(INSTALL) dist/kalends-*.whl
	cd dist && KALENDS_DATABASE_URL=sqlite:///package.db venv/bin/kalends migrate
	cd dist && KALENDS_DATABASE_URL=sqlite:///package.db venv/bin/kalends org create Packaged --json
	$(BIN)/python tests/clients/pages/visit.py dist/venv/bin/kalends

lock: .venv/tools/ready   ## write constraints.txt after a change of pyproject.toml; other versions stay as they are
	.venv/tools/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --strip-extras \
	  --custom-compile-command "make lock" $(UPGRADE) --output-file constraints.txt pyproject.toml

upgrade:   ## write constraints.txt with the newest version of everything
	$(MAKE) lock UPGRADE=--upgrade

audit: .venv/tools/ready   ## ask PyPI for known vulnerabilities of what is locked
	.venv/tools/bin/python .ci/audit.py

bench: .venv/dev   ## bookings per second beside other ways to build the same (a few minutes)
	$(BIN)/python bench/create.py

bench-list: .venv/dev   ## the list of appointments with ten thousand and with a million of them (two minutes)
	$(BIN)/python bench/list.py

bench-leaving: .venv/dev   ## bookings with webhooks and mails beside bookings without (a few minutes)
	$(BIN)/python bench/leaving.py

bench-slots: .venv/dev   ## the search for free time: the engine alone, and over HTTP beside the list (a few minutes)
	$(BIN)/python bench/slots.py

bench-pages: .venv/dev   ## the page of a month at the server, beside its days as JSON (a minute)
	$(BIN)/python bench/pages.py

bench-pressure: .venv/dev   ## what one rude client costs the others (ten minutes)
	$(BIN)/python bench/pressure.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python $(INSTALL) --editable .
	touch .venv/run

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python $(INSTALL) --editable ".[dev]"
	touch .venv/dev .venv/run

# Apart from the rest, since nothing of Kalends needs them.
.venv/tools/ready: .venv/bin/python
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/python -m pip install --quiet --disable-pip-version-check pip-audit uv
	touch .venv/tools/ready

clean:
	rm -rf .venv dist build
