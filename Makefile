# LimeDB. `make run` starts a cluster, `make check test` is what CI runs; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PROTOS := $(sort $(wildcard proto/limedbpb/v1/*.proto))
GOOGLEAPIS := build/googleapis
NODES ?= 4
PORT ?= 8484
BASE_PORT ?= 7001
CLUSTER_DIR ?= data/cluster

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# --- setting up -------------------------------------------------------------------------------

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LimeDB needs Python 3.11 or newer; set PYTHON=...")'
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.PHONY: install
install: $(READY) ## Make .venv with LimeDB and all tools, at the locked versions

.PHONY: system-tools
system-tools: ## Install the Debian packages that some tests and benchmarks use (needs root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nghttp2-client >/dev/null

.PHONY: lock
lock: ## Lock the newest versions of all dependencies, with hashes
	uvx --from uv uv pip compile --universal --prerelease=if-necessary --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate --upgrade --extra envoy --extra dev pyproject.toml -o requirements.lock
	uvx --from uv uv pip compile --universal --prerelease=if-necessary --python-version 3.11 --generate-hashes --no-header \
	  --no-annotate -c requirements.lock pyproject.toml -o requirements-run.lock

# --- running ----------------------------------------------------------------------------------

.PHONY: run
run: $(READY) ## Start four nodes and Envoy in the foreground; Ctrl-C stops them
	exec $(BIN)/limedb cluster start --nodes $(NODES) --port $(PORT) --base-port $(BASE_PORT) --data-dir $(CLUSTER_DIR)

.PHONY: dev
dev: ## Start the compose cluster from the source folder; nodes restart when a file changes
	docker compose -f docker-compose.dev.yml up --build

# --- generated files --------------------------------------------------------------------------

# The only files of Google's that the protos import, as the wheel googleapis-common-protos ships them.
GOOGLE_PROTOS := google/api/annotations.proto google/api/http.proto google/rpc/status.proto

.PHONY: googleapis
googleapis: $(READY)
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	for file in $(GOOGLE_PROTOS); do install -D -m 644 $$site/$$file $(GOOGLEAPIS)/$$file; done

.PHONY: gen
gen: googleapis ## Generate the stubs, the descriptor set and Envoy's compose configuration
	$(MAKE) --no-print-directory generate-into OUT=gen ENVOY_OUT=envoy/envoy.yaml

.PHONY: generate-into
generate-into:
	mkdir -p $(OUT)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto -I$(GOOGLEAPIS) \
	  --python_out=$(OUT) --pyi_out=$(OUT) --grpc_python_out=$(OUT) --mypy_grpc_out=$(OUT) $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -Iproto -I$(GOOGLEAPIS) --include_imports \
	  --descriptor_set_out=$(OUT)/limedbpb/limedb.binpb $(PROTOS)
	touch $(OUT)/limedbpb/__init__.py $(OUT)/limedbpb/v1/__init__.py $(OUT)/limedbpb/py.typed
