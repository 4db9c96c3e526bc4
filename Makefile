# `make help` lists the targets. Everything works in a fresh clone with Python 3.11 and make alone.

PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 8000
CONFIG ?=
VENV   := .venv
BIN    := $(VENV)/bin
NODE_PACKAGES := openai@7.59.0 @anthropic-ai/sdk@1.14.0 axe-core@4.14.1
AGENTS := @anthropic-ai/claude-code@2.1.330 @openai/codex@0.169.0 ai@7.0.173 @ai-sdk/openai-compatible@3.0.92 @ai-sdk/anthropic@4.0.105
FRAMEWORKS := langchain-openai==1.7.3 langchain-anthropic==1.7.7 'pydantic-ai-slim[openai,anthropic]==2.68.0'
ARGS   ?=
SECONDS ?= 60
CORES  ?= auto

# Tests start some hundred processes: each would compile the package anew where this is set.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test agents nodes drill proof soak fuzz check fix docs bench screenshots budgets ledger hammer constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/run.stamp ## Start the gateway with a local model and an own key (PORT=9000 CONFIG=my.toml)
	@exec $(BIN)/freetheai serve --host $(HOST) --port $(PORT) $(if $(CONFIG),--config $(CONFIG)) --welcome .freetheai.env

test: $(VENV)/dev.stamp $(VENV)/node.stamp ## Run every test that this machine can run
	@$(BIN)/python tools/services.py
	@$(BIN)/pytest -q -n $(CORES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

agents: $(VENV)/dev.stamp $(VENV)/agents.stamp ## Run Claude Code, Codex and frameworks through the gateway (downloads 350 MB, once)
	@$(BIN)/pytest -q tests/agents $(ARGS)

nodes: $(VENV)/dev.stamp ## Kill nodes and workers under load and look for lost records (needs Redis and PostgreSQL)
	@$(BIN)/pytest -q -s tests/nodes $(ARGS)

drill: $(VENV)/dev.stamp ## Play every failure of an upstream, and show what members would see
	@$(BIN)/freetheai drill $(ARGS)

proof: $(VENV)/dev.stamp ## Prove failover with 10,000 requests, an outage, 2,000 streams (4 minutes; no part of the tests)
	@$(BIN)/python -m tools.proof $(ARGS)

soak: $(VENV)/dev.stamp ## Soak in faults, reloads and disconnects for 20 minutes (ARGS="--seconds 60" for less)
	@$(BIN)/python -m tools.proof soak $(ARGS)

fuzz: $(VENV)/dev.stamp ## Feed every parser with hostile bytes, 60 s each (SECONDS=10 for less); no part of the tests
	@$(BIN)/python -m tools.fuzz --seconds $(SECONDS) $(ARGS)

check: $(VENV)/dev.stamp ## Lint, types, architecture, sizes
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/sizes.py

fix: $(VENV)/dev.stamp ## Format, and mend what can be mended by itself
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

docs: $(VENV)/dev.stamp ## Write the generated parts of docs/ anew
	@$(BIN)/python tools/docs.py
	@$(BIN)/python -m tests.matrix.document
	@$(BIN)/python -m tests.images.document

bench: $(VENV)/dev.stamp ## Measure against nginx on this machine (needs nginx; never part of the tests)
	@$(BIN)/python -m tools.bench.run

hammer: $(VENV)/dev.stamp ## Prove limits and records: 64 clients, 3 gateways on one Redis, one killed (SECONDS=20 ARGS=--memory)
	@$(BIN)/python -m tools.hammer.run --seconds $(SECONDS) $(ARGS)

screenshots: $(VENV)/dev.stamp ## Take pictures of every page, light and dark, on desktop and phone (ARGS="--only status")
	@$(BIN)/python -m tools.pages.screenshots $(ARGS)

budgets: $(VENV)/dev.stamp $(VENV)/node.stamp ## Weigh and time every page, search it with axe-core, time the catalogue's filters
	@$(BIN)/python -m tools.pages.budgets $(ARGS)

ledger: $(VENV)/dev.stamp ## Time reports on ten million records, in SQLite (ARGS="--database URL": an empty PostgreSQL)
	@$(BIN)/python -m tools.bench.ledger $(ARGS)

constraints: $(VENV)/dev.stamp ## Pin the newest versions that fit pyproject.toml
	@$(BIN)/uv pip compile -q --universal --no-header --no-annotate --no-emit-find-links --no-emit-index-url \
		--python-version 3.11 --upgrade --extra local --extra dev pyproject.toml -o constraints.txt

clean: ## Remove what was installed and built; keys, database and configuration stay
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@sh tools/make-venv.sh $(PYTHON) $(VENV)

$(VENV)/run.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@sh tools/install.sh $(BIN) local "about 65 MB"
	@$(BIN)/freetheai local install
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml constraints.txt
	@sh tools/install.sh $(BIN) local,dev "about 110 MB"
	@$(BIN)/freetheai local install
	@touch $@ $(VENV)/run.stamp

$(VENV)/node.stamp: $(VENV)/bin/python Makefile
	@sh tools/install-node.sh $(VENV)/node $@ $(NODE_PACKAGES)

$(VENV)/agents.stamp: $(VENV)/bin/python Makefile
	@sh tools/install-agents.sh $(VENV) "$(AGENTS)" $(FRAMEWORKS)
	@touch $@
