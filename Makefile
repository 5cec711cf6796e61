# Bursar's few commands. All that they need is GNU make and Python 3.11 or later; all that they keep is in .venv and .local.

PYTHON ?= python3

.DEFAULT_GOAL := help
FINES ?= 100000
ROUNDS ?= 3
SEED ?= 1
FAULTS ?= 1000
RUNS ?= 100000
SECONDS ?= 0

.PHONY: browser help demo up screenshots test test-slow test-browser bench-pages campaign bench check cluster-test reference image lock installed install

help:
	@echo 'make demo          an invented library exports fines and imports payments, with real servers; about three minutes'
	@echo 'make up            the same library, running until Ctrl-C: Airflow with its user interface, ledger, SFTP server'
	@echo 'make screenshots   takes the pictures of the pages in docs/pictures, in Chromium; about three minutes'
	@echo 'make test          the tests, except the slow ones; less than ten minutes on two cores'
	@echo 'make test-slow     more tests on a real Airflow, and of large ledgers'
	@echo 'make test-browser  the tests of the pages in Chromium on a real Airflow; about five minutes'
	@echo 'make campaign      random faults in exports, imports and library systems; FAULTS=1000, SECONDS=0 (no limit), SEED=1'
	@echo 'make bench         measures speed beside plain tools; FINES="100000 1000000" ROUNDS=3 ONLY="exports loads" JSON=file'
	@echo 'make bench-pages   measures the pages in a large ledger; FINES=1000000 RUNS=100000; 20000000 fines need 21 GB'
	@echo 'make check         linters and types'
	@echo 'make reference     writes the reference pages from the models, the help texts and the schema'
	@echo 'make cluster-test  kills the services of docker-compose.yaml while they work, as native processes; seven minutes'
	@echo 'make lock          writes the lock files again, after a change of requirements*.txt'

demo up screenshots campaign bench bench-pages cluster-test reference: export PYTHONPATH = $(CURDIR)/plugins

demo: installed
	@.venv/bin/python -m demo

up: installed
	@.venv/bin/python -m demo.up

screenshots: installed browser
	@.venv/bin/python -m demo.screenshots

# Without compiled modules, each of the hundred processes that the tests start would compile Bursar again.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: installed
	@.venv/bin/python -m pytest -m 'not slow and not browser' --numprocesses 2 --dist loadscope --no-loadscope-reorder

test-slow: installed
	@.venv/bin/python -m pytest -m slow --numprocesses 2 --dist loadscope --no-loadscope-reorder

test-browser: installed browser
	@.venv/bin/python -m pytest -m browser tests/browser

# Chromium, which root installs if there is none, and axe-core, which finds faults of accessibility. A test that lacks one
# is skipped, and says so.
browser: AXE = axe-core@4.14.1
browser:
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; } || \
		echo 'The browser tests need Chromium or Google Chrome; on Debian: sudo apt install chromium' >&2
	@[ -e .local/browser/axe.min.js ] || { mkdir -p .local/browser && cd .local/browser && \
		tar xzf "$$(npm pack --silent $(AXE))" --strip-components=1 package/axe.min.js; } || \
		echo 'The tests of accessibility need npm, which fetches $(AXE).' >&2

# A third of the seconds, and half of the faults, are for the systems that fines are read from.
campaign: installed
	@.venv/bin/python -m tests.campaign --seed $(SEED) --faults $(FAULTS) --seconds $$(($(SECONDS) * 2 / 3))
	@.venv/bin/python -m tests.campaign --systems --seed $(SEED) --faults $$(($(FAULTS) / 2)) --seconds $$(($(SECONDS) / 3))

bench: installed
	@.venv/bin/python -m bench --fines $(FINES) --rounds $(ROUNDS) $(if $(ONLY),--only $(ONLY)) $(if $(WRITE_ALL),--write-all) $(if $(JSON),--json $(JSON))

# Its services run on the packages that the image has, and on no others. The lock file names them all: with --no-deps, since
# older versions of pip take `celery[redis]`, which the provider asks for, for a package without a pin.
cluster-test: installed
	@command -v redis-server >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends redis-server >/dev/null; } || \
		{ echo 'The cluster needs Redis; on Debian and Ubuntu: sudo apt install redis-server' >&2; exit 1; }
	@cmp -s requirements-cluster.lock .local/cluster/installed.lock || { \
		echo 'Installing the packages of requirements-cluster.lock into .local/cluster; this takes about a minute.' && \
		$(PYTHON) -m venv --clear .local/cluster/venv && \
		.local/cluster/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
			-r requirements-cluster.lock && cp requirements-cluster.lock .local/cluster/installed.lock; }
	@.venv/bin/python -m cluster

image:
	@docker build --tag bursar:$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml) .

bench-pages: installed
	@.venv/bin/python -m bench.pages --fines $(FINES) --runs $(RUNS)

check: installed
	@.venv/bin/python -m ruff check
	@.venv/bin/python -m ruff format --check
	@.venv/bin/python -m mypy

# `install` copies the lock file into .venv as its last act, so an interrupted installation is repeated.
installed:
	@.venv/bin/python -c '' 2>/dev/null && cmp -s requirements.lock .venv/installed.lock || \
		$(MAKE) --no-print-directory install

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Bursar needs Python 3.11 or later. Name another one like this: make PYTHON=python3.12 demo' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'This Python can make no virtual environment; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'Installing the packages of requirements.lock into .venv; the first time this takes about two minutes.'
	@$(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@cp requirements.lock .venv/installed.lock

reference: installed
	@.venv/bin/python -m docs.reference.generate
	@.venv/bin/python -m docs.reference.generate_database

# Versions that still fit stay; for the newest of all, remove both lock files first. The cluster's starts from the other
# one, so that the versions agree.
lock: COMPILE = .local/uv/bin/python -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url
lock:
	@$(PYTHON) -m venv .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(COMPILE) --output-file requirements.lock requirements-dev.txt
	@cp requirements.lock requirements-cluster.lock
	@$(COMPILE) --output-file requirements-cluster.lock requirements-cluster.txt
