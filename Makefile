# Bursar's few commands. All that they need is GNU make and Python 3.11 or later; all that they keep is in .venv and .local.

PYTHON ?= python3

.DEFAULT_GOAL := help
FINES ?= 100000
ROUNDS ?= 3

.PHONY: help demo up test bench check lock installed install

help:
	@echo 'make demo    a library exports its fines to its bursars, on real parts'
	@echo 'make up      the same library to stay: Airflow with its user interface, ledger and SFTP server; Ctrl-C ends it'
	@echo 'make test    the tests'
	@echo 'make bench   how fast it is beside plain C tools; FINES="100000 1000000" ROUNDS=3 JSON=file'
	@echo 'make check   linters and types'
	@echo 'make lock    writes requirements.lock anew, after a change of requirements.txt or requirements-dev.txt'

demo up bench: export PYTHONPATH = $(CURDIR)/plugins

demo: installed
	@.venv/bin/python -m demo

up: installed
	@.venv/bin/python -m demo.up

test: installed
	@.venv/bin/python -m pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

bench: installed
	@.venv/bin/python -m bench --fines $(FINES) --rounds $(ROUNDS) $(if $(JSON),--json $(JSON))

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

# Versions that still fit stay; for the newest of all, remove requirements.lock first.
lock:
	@$(PYTHON) -m venv .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@.local/uv/bin/python -m uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --output-file requirements.lock requirements-dev.txt
