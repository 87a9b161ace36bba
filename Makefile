# Log Lake on one machine. Needs Python 3.11 and make; everything else is installed into .venv/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

LOCKED := --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-strip-extras --quiet
.PHONY: help setup demo up test check check-glue check-templates docs pictures faults faults-all slowest soak bench lock wheels clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
	@echo; echo "Everything else is the command loglake: source $(BIN)/activate, then loglake --help"

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
	@$(BIN)/loglake demo

up: $(READY) ## the lake under .loglake/ with the Dagster UI at 127.0.0.1:3000; Ctrl-C stops both
	@$(BIN)/loglake up

check: $(READY) check-templates ## format, lint, types, templates, and every test that needs neither a stack nor long: two minutes
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@$(BIN)/python -m pytest -q -n 2 --dist load -m "not slow and not stack and not long"

check-glue: $(VENV)/.glue-ready ## the tests of the job's code, under the pyarrow, pandas, numpy and boto3 that Glue 5.1 has
	@$(VENV)/glue/bin/python -m pytest -q -n 2 --dist loadfile tests/test_glue_versions.py tests/test_one_build.py \
	  tests/test_object_reader.py tests/test_plain.py tests/test_cloudwatch.py tests/test_bedrock_deliveries.py \
	  tests/test_runners.py tests/test_views.py tests/test_preview.py

$(VENV)/.glue-ready: $(READY) infra/aws/glue.lock
	@rm -rf $(VENV)/glue && $(PYTHON) -m venv $(VENV)/glue
	@$(VENV)/glue/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r infra/aws/glue.lock
	@echo "import site; site.addsitedir('$(CURDIR)/$(VENV)/lib/python3.11/site-packages')  # what Glue does not bring" \
	  > $(VENV)/glue/lib/python3.11/site-packages/loglake.pth
	@touch $@

check-templates: $(VENV)/.checkov-ready ## checkov over the CloudFormation templates, and over one that it must not pass
	@$(VENV)/checkov/bin/checkov --config-file infra/aws/checkov.yaml -d infra/aws/cloudformation
	@! $(VENV)/checkov/bin/checkov --config-file infra/aws/checkov.yaml -f tests/open_bucket.yaml > /dev/null \
	  || { echo "checkov found nothing in tests/open_bucket.yaml: it looks at nothing"; exit 1; }

$(VENV)/.checkov-ready: $(READY) infra/aws/checkov.lock
	@rm -rf $(VENV)/checkov && $(PYTHON) -m venv $(VENV)/checkov
	@$(VENV)/checkov/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r infra/aws/checkov.lock
	@touch $@

test: $(READY) ## everything that must hold: format, lint, types, definitions, tests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

slowest: $(READY) ## renew tests/slowest.txt: the sixty slowest parts of `make test`, in seconds
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --durations=60 | tee /dev/stderr \
	  | grep -E '^ *[0-9.]+s +(call|setup|teardown) ' | sed -E 's/^ +//' > tests/slowest.txt

docs: $(VENV)/.docs-ready ## the documentation as a site, build/docs/site: broken links fail, and nothing is loaded from elsewhere
	@rm -rf build/docs && mkdir -p build/docs/pages && cp docs/site/zensical.toml build/docs/
	@cp --parents README.md CONTRIBUTING.md LICENSE lakes/README.md bench/README.md loglake_assets/sources/reasons.py \
	  $$(git ls-files -co --exclude-standard docs ':!docs/site') build/docs/pages/
	@cd build/docs && $(CURDIR)/$(VENV)/docs/bin/zensical build --clean --strict
	@$(BIN)/python -m pytest -q tests/test_docs.py -k site --site build/docs/site

$(VENV)/.docs-ready: $(READY) docs/site/requirements.lock
	@rm -rf $(VENV)/docs && $(PYTHON) -m venv $(VENV)/docs
	@$(VENV)/docs/bin/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r docs/site/requirements.lock
	@touch $@

pictures: $(READY) ## renew docs/pictures/ from the tests that look at the UI, the report and a packet in Chromium
	@command -v chromium >/dev/null || { echo "The pictures are taken in Chromium, and 'chromium' is not on the PATH."; exit 1; }
	@$(BIN)/python -m pytest -q --pictures=docs/pictures tests

soak: $(READY) ## [EVENTS=1000000 DAYS=3]: a large lake with known faults and kills; what is found must be what was put there
	@$(BIN)/python -W ignore -m tests.soak --events $(or $(EVENTS),1000000) --days $(or $(DAYS),3)

faults: $(READY) ## [LOGLAKE_ENGINE=spark] what may go wrong, done: a line for each fault, and whether what must hold held
	@$(BIN)/python -m pytest -q --faults -m "fault and not slow"

faults-all: $(READY) ## the same with the slow ones
	@$(BIN)/python -m pytest -q --faults -m fault

bench: $(VENV)/.bench-ready ## [SIZE=small|full] [ONLY=needle,tiny] [ROUNDS=1]: our job beside others on the same files: docs/performance.md
	@$(BIN)/python -W ignore -m bench --size "$${SIZE:-small}" --only "$${ONLY:-}" $${ROUNDS:+--rounds "$$ROUNDS"}

$(VENV)/.bench-ready: $(READY) bench/requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --require-hashes -r bench/requirements.lock
	@touch $@

lock: $(READY) ## renew requirements.lock, and the other locks: bench/, infra/aws/, infra/aws/dagster/, docs/site/
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra local $(LOCKED) -o requirements.lock
	@$(BIN)/uv pip compile infra/aws/glue.in $(LOCKED) -o infra/aws/glue.lock
	@$(BIN)/uv pip compile infra/aws/checkov.in $(LOCKED) -o infra/aws/checkov.lock
	@$(BIN)/uv pip compile docs/site/requirements.in $(LOCKED) -o docs/site/requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra production -c requirements.lock $(LOCKED) -o infra/aws/dagster/requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra bench -c requirements.lock $(LOCKED) -o bench/requirements.lock

wheels: $(READY) ## what the Glue job needs beyond Glue's own, pinned as here, into wheels/ for a deployment to AWS
	@rm -rf wheels
	@$(BIN)/pip download -qq --disable-pip-version-check --only-binary :all: --python-version 3.11 \
	  --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --no-deps -d wheels \
	  $$(grep -oE '^(dagster-pipes|duckdb|isal|msgspec|sqlglot)==[^ ]+' requirements.lock)
	@ls wheels

clean: ## remove what can be made again; the lake under .loglake/ stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
