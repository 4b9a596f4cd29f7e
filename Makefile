# Two commands matter: `make signal` and `make test`. Both set up .venv when it is missing or old.
# Bytecode is compiled at set-up: an installation that is read-only would compile at every start.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help signal test mlflow setup setup-dev lint types lock clean check-machine

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

signal: $(VENV)/.runtime ## Set everything up and write logs/signal.json
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake signal
	@$(BIN)/bot-cripto explain

test: $(VENV)/.dev ## Set everything up and run every check and test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

mlflow: $(VENV)/.runtime ## Serve MLflow's pages at http://127.0.0.1:5000 (PORT=...)
	$(BIN)/bot-cripto mlflow $(if $(PORT),--port $(PORT))

setup: $(VENV)/.runtime ## Set up .venv for running

setup-dev: $(VENV)/.dev ## Set up .venv for developing

lock: ## Make the lock files anew from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --extra dev -c requirements.lock pyproject.toml \
	    -o requirements-dev.lock
	$(PYTHON) envs/from_lock.py

clean: ## Remove .venv; candles, models and logs stay
	rm -rf $(VENV)

check-machine:
	@sh scripts/check_machine.sh "$(PYTHON)"

$(VENV)/.runtime: requirements.lock pyproject.toml | check-machine
	@sh scripts/make_venv.sh "$(PYTHON)" $(VENV) requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | check-machine
	@sh scripts/make_venv.sh "$(PYTHON)" $(VENV) requirements-dev.lock
	@touch $@ $(VENV)/.runtime
