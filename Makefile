# Log Lake on one machine. Needs Python 3.11 and make; everything else is installed into .venv/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAKE := $(BIN)/python -m infra.cli

FORMAT ?= table
LOCKED := --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-strip-extras --quiet
# Given values reach the commands by the environment as they were typed: make would expand $ in them, a shell would run them.
# A reviewer that is given and empty must not become no reviewer: that would be everybody's sessions.
override REVIEWER_GIVEN := $(if $(filter undefined,$(origin REVIEWER)),,yes)
override STEP_SECONDS := $(value SECONDS)
GIVEN := SQL DIR SOURCE FROM TO FORMAT SESSION WHO REVIEWER REVIEWERS OUT UNMASK Q KEYS DAY RUN EVENT_ID APPLY KEEP_DAYS
GIVEN += KEEP_GENERATIONS ACCEPT_LOSS EVENTS DAYS FAULTS RATE NEW_PREFIX_PCT UP_TO ON SIZE ONLY ROUNDS
# A mistyped name would be ignored, and REVIEWR=dana be everybody's sessions. Looked at before the names are overridden.
OPTIONS := $(GIVEN) SECONDS UI_PORT LOGLAKE_HOME LOGLAKE_ENGINE BEDROCK_MODEL_ID PYTHON
KNOWN := $(OPTIONS) VENV BIN READY LAKE SHELL MAKEFLAGS LOGLAKE_TRACEBACK LOGLAKE_DIGEST_KEYS AWS_% PYTEST_%
KNOWN += LOGLAKE_SPARK_DRIVER_MEMORY LOGLAKE_SPARK_JAVA_OPTIONS
TYPED := $(foreach name,$(.VARIABLES),$(if $(findstring command,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(KNOWN) -%,$(TYPED))
ifneq ($(UNKNOWN),)
$(error $(UNKNOWN) is no option of any command, and nothing was done. There are: $(sort $(OPTIONS)))
endif
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN) REVIEWER_GIVEN STEP_SECONDS

.PHONY: help setup demo up down generate load stress build review digests query ask status reconcile requeue evidence
.PHONY: rollback collect test faults faults-all soak bench lock wheels clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
	@echo; echo "LOGLAKE_HOME puts the lake elsewhere than .loglake/, so that two lakes can stand side by side."

setup: $(READY) ## install everything into .venv/, from the hash-locked requirements.lock

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Log Lake needs Python 3.11, and '$(PYTHON)' is not on the PATH. Install it, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Log Lake needs Python 3.11; $(PYTHON) is " + sys.version.split()[0])'
	@echo "Setting up .venv/ (about two minutes, once): 1 of 3, a new environment"
	@$(PYTHON) -m venv $(VENV)
	@echo "2 of 3: $$(grep -c '^[a-zA-Z0-9].*==' requirements.lock) packages"
	@set -o pipefail; PYTHONUNBUFFERED=1 $(BIN)/pip install --disable-pip-version-check --no-deps --require-hashes \
	  --progress-bar off -r requirements.lock | { count=0; while read -r word rest; do case $$word in \
	  Collecting) count=$$((count + 1)); [ $$((count % 20)) != 0 ] || echo "  $$count are here";; \
	  Installing) echo "  all $$count are here, and being installed";; esac; done; }
	@echo "3 of 3: Log Lake itself"
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

demo: $(READY) ## the whole lake, end to end, in .loglake-demo/: sample logs to checked days
	@$(LAKE) demo

up: $(READY) ## the lake under .loglake/ with the Dagster UI at 127.0.0.1:3000; Ctrl-C stops both
	@$(LAKE) up

down: $(READY) ## stop what `make up` or a command left running
	@$(LAKE) down

generate: $(READY) ## SOURCE=cloudtrail DIR=path [EVENTS=100000 DAYS=3 FROM=2026-11-01 FAULTS=corrupt=2]: sample logs as files
	@$(LAKE) generate

load: $(READY) ## SOURCE=cloudtrail DIR=path: put the files under DIR into the source's raw bucket
	@$(LAKE) load

stress: $(READY) ## SOURCE=cloudtrail [RATE=50 SECONDS=30 NEW_PREFIX_PCT=10 UP_TO=rate ON=lake]: load to break
	@$(LAKE) stress

build: $(READY) ## SOURCE=<log or review> FROM=2026-11-01 TO=2026-11-07 [ACCEPT_LOSS=yes]: build those days through Dagster
	@$(LAKE) build

review: $(READY) ## SESSION=<id> OUT=folder, or WHO=<person> FROM= TO= OUT=folder [REVIEWER=<name>] [UNMASK=yes]: packets to read
	@$(LAKE) review

digests: $(READY) ## SOURCE=cloudtrail FROM= TO= [KEYS=file]: stored files against the log's own signed digests
	@$(LAKE) digests

query: $(READY) ## SQL="select ..." [FORMAT=csv|json|jsonl]: ask the lake through the Athena API
	@$(LAKE) query

ask: $(READY) ## Q="which tools did agents use?": ask Log Lake Looker; BEDROCK_MODEL_ID names the model
	@$(LAKE) ask

status: $(READY) ## per source and day: objects, partitions, commit, coverage, state
	@$(LAKE) status

reconcile: $(READY) ## compare storage with the catalog and send AddAPart what is missing
	@$(LAKE) reconcile

requeue: $(READY) ## SOURCE=<log> FROM=2026-11-01 TO=2026-11-07: load what is in quarantine, after a fix
	@$(LAKE) requeue

evidence: $(READY) ## EVENT_ID=<id> [SOURCE=<log>] [DAY=2026-11-01] [FORMAT=json]: a row and all that stands behind it
	@$(LAKE) evidence

rollback: $(READY) ## SOURCE=<log or review> DAY=2026-11-01 RUN=<run>: send readers back to an older run
	@$(LAKE) rollback

collect: $(READY) ## [KEEP_DAYS=30] [KEEP_GENERATIONS=3] [APPLY=yes]: old runs that retention lets go
	@$(LAKE) collect

test: $(READY) ## everything that must hold: format, lint, types, definitions, tests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@$(BIN)/python -m pytest

soak: $(READY) ## [EVENTS=1000000 DAYS=3]: a large lake with known faults and kills; what is found must be what was put there
	@$(BIN)/python -W ignore -m tests.soak --events $(or $(EVENTS),1000000) --days $(or $(DAYS),3)

faults: $(READY) ## what may go wrong, done: a line for each fault, and whether what must hold held
	@$(BIN)/python -m pytest -q --faults -m "fault and not slow"

faults-all: $(READY) ## the same with the slow ones
	@$(BIN)/python -m pytest -q --faults -m fault

bench: $(VENV)/.bench-ready ## [SIZE=small|full] [ONLY=needle,tiny] [ROUNDS=1]: our job beside others on the same files: docs/performance.md
	@$(BIN)/python -W ignore -m bench --size "$${SIZE:-small}" --only "$${ONLY:-}" $${ROUNDS:+--rounds "$$ROUNDS"}

$(VENV)/.bench-ready: $(READY) bench/requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r bench/requirements.lock
	@touch $@

lock: $(READY) ## renew requirements.lock and bench/requirements.lock from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra local $(LOCKED) -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements.lock $(LOCKED) -o bench/requirements.lock

wheels: $(READY) ## what the Glue job needs beyond Glue's own, pinned as here, into wheels/ for a deployment to AWS
	@$(BIN)/pip download -qq --disable-pip-version-check --only-binary :all: --python-version 3.11 \
	  --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --no-deps -d wheels \
	  $$(grep -oE '^(boto3|botocore|dagster-pipes|isal|msgspec|s3transfer)==[^ ]+' requirements.lock)
	@ls wheels

clean: ## remove what can be made again; the lake under .loglake/ stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
