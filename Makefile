# Sluice's tasks; `make help` lists them. Everything is pinned: Python packages
# by requirements*.lock, Go tools by the versions below, Node packages by the
# package-lock.json beside the tests that use them, and what a client needs by
# the locks and the `client.mk` in its folder.

VENV  := .venv
BIN   := $(VENV)/bin
TOOLS := .tools

# The first Python that is new enough; `make PYTHON=/path/to/python` overrules.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

# Commits with whose contract the working tree's is compared, beside the last
# release's; empty means where it left the main branch.
BREAKING_BASE ?=

GRPCURL_VERSION      := v1.9.4
HEALTH_PROBE_VERSION := v0.4.61

RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev
# Grafana's schema, in a program of our own; by content, as with Node's packages below.
SCHEMA         := tests/deploy/schema
GRAFANA_SCHEMA := grafana-schema-$(shell cat $(SCHEMA)/go.mod $(SCHEMA)/main.go 2>/dev/null | cksum | cut -d' ' -f1)
# Helm and what judges its output, of one module: they share most of what must be compiled.
JUDGE       := tests/deploy/judge
CHART_TOOLS := chart-tools-$(shell cat $(JUDGE)/go.mod $(JUDGE)/main.go 2>/dev/null | cksum | cut -d' ' -f1)
# The kubelet's own prober, and Docker's own reading of Dockerfile and compose file.
PROBER          := tests/e2e/kubelet
KUBELET_PROBE   := kubelet-probe-$(shell cat $(PROBER)/go.mod $(PROBER)/*.go 2>/dev/null | cksum | cut -d' ' -f1)
CONTAINER       := tests/deploy/container
CONTAINER_CHECK := container-check-$(shell cat $(CONTAINER)/go.mod $(CONTAINER)/*.go 2>/dev/null | cksum | cut -d' ' -f1)
GO_TOOLS := $(TOOLS)/grpcurl-$(GRPCURL_VERSION) $(TOOLS)/grpc-health-probe-$(HEALTH_PROBE_VERSION) $(TOOLS)/$(GRAFANA_SCHEMA) \
	$(TOOLS)/$(CHART_TOOLS) $(TOOLS)/$(KUBELET_PROBE) $(TOOLS)/$(CONTAINER_CHECK)

LITELLM_LOCK := tests/e2e/litellm/requirements.lock
LITELLM      := litellm-$(shell sed -n 's/^litellm==\([^ ]*\).*/\1/p' $(LITELLM_LOCK) 2>/dev/null)

NODE := tests/e2e/node
# By content: a fresh checkout of the same lock is no reason to install again.
NODE_PACKAGES := node-packages-$(shell cat $(NODE)/package.json $(NODE)/package-lock.json 2>/dev/null | cksum | cut -d' ' -f1)

# The languages of clients/. Each folder has a `client.mk` that names in
# TOOLCHAIN_<language> the programs it needs of this machine, in
# GENERATED_<language> the folder of its generated code, and how to do what is
# asked of every language below: proto, build, lint and test.
LANGUAGES := python go typescript java rust
include $(LANGUAGES:%=clients/%/client.mk)
runs_here = $(if $(strip $(foreach it,$(TOOLCHAIN_$(1)),$(if $(shell command -v $(it) 2>/dev/null),,$(it)))),,$(1))
PRESENT   := $(foreach language,$(LANGUAGES),$(call runs_here,$(language)))
MISSING   := $(filter-out $(PRESENT),$(LANGUAGES))
# Where `make proto` writes: the tree, or what is to be compared with it.
OUT       ?= .

PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps
NPM_QUIET   := --ignore-scripts --no-audit --no-fund --loglevel=error

# Settings of one machine; not committed.
-include local.mk

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run clean proto format lock docs dashboards lint types layers proto-check docs-check \
	test test-unit test-contract test-e2e faults soak fuzz bench \
	languages clients lint-clients test-clients \
	$(foreach task,proto build lint test,$(LANGUAGES:%=$(task)-%)) \
	tools litellm redis chromium prometheus node pictures audit licences sbom precommit check

help:
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

##@ Start

install: $(RUNTIME) ## Build .venv with the server in it

run: $(RUNTIME) ## Start the server; ARGS are passed on, e.g. ARGS="--config sluice.yaml"
	@exec $(BIN)/sluice-server serve $(ARGS)

clean: ## Remove everything that these tasks made
	rm -rf $(VENV) $(TOOLS) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf clients/*/target clients/*/build clients/*/node_modules
	find server clients tests -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Write

proto: $(PRESENT:%=proto-%) languages ## Generate all clients' stubs from proto/, and copy the service config

format: $(DEV) ## Format Python and proto files
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format --quiet
	$(BIN)/buf format --write

# Three layers without overlap, each bound to the versions of the ones before.
# Pins stay unless something no longer fits; UPGRADE=--upgrade moves them all.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-python-downloads \
	--generate-hashes --no-annotate --no-header $(UPGRADE)
define locked_in
`sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' $(1)`
endef

lock: $(DEV) ## Resolve pyproject.toml into requirements*.lock; UPGRADE=--upgrade for newer versions
	$(UV_COMPILE) --all-extras --no-emit-package sluice-client pyproject.toml clients/python/pyproject.toml \
		-o requirements.lock
	$(UV_COMPILE) --group build -c requirements.lock \
		$(call locked_in,requirements.lock) -o requirements-build.lock
	$(UV_COMPILE) --group dev -c requirements.lock -c requirements-build.lock \
		$(call locked_in,requirements.lock requirements-build.lock) -o requirements-dev.lock
	$(UV_COMPILE) --excludes $(dir $(LITELLM_LOCK))excludes.txt \
		$(dir $(LITELLM_LOCK))requirements.in -o $(LITELLM_LOCK)
	@if command -v npm >/dev/null; then for folder in $(NODE) clients/typescript; do \
		(cd $$folder && $(if $(UPGRADE),rm -f package-lock.json &&) \
		npm install --package-lock-only --omit-lockfile-registry-resolved $(NPM_QUIET)) || exit; done; \
	else echo 'Node is missing: package-lock.json files stay as they are.' >&2; fi
	@$(if $(filter rust,$(PRESENT)),$(MAKE) --silent --no-print-directory lock-rust,echo 'Rust is missing: clients/rust/crates.lock stays as it is.' >&2)

pictures: $(DEV) chromium ## Take the pictures of the status page and the command line anew, which takes some minutes
	@mkdir -p docs/images
	$(BIN)/python -m tests.pictures docs/images

docs: $(DEV) ## Write docs/reference from the code and the contract
	$(BIN)/python -m sluice_server.config.reference docs/reference
	$(BIN)/python -m sluice_server.providers.table docs/reference
	$(BIN)/python -m sluice_server.telemetry.reference docs/reference
	$(BIN)/python -m tests.reference docs/reference
	$(BIN)/python -m tests.supply.licences docs/reference

dashboards: $(RUNTIME) ## Write deploy/grafana/dashboards from their generator
	$(BIN)/python -m deploy.grafana.generator

##@ Judge

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(DEV) ## Check types
	$(BIN)/mypy

layers: $(DEV) ## Check who imports whom
	$(BIN)/lint-imports

# Jobs of make's own number where it has one: to be told another it would complain.
AT_ONCE = $(if $(findstring --jobserver,$(MAKEFLAGS)),,--jobs=3 --output-sync=target)

# Stubs are generated elsewhere, so that the check says the same whether or not
# the tree is committed.
proto-check: $(DEV) ## Check the contract: lint, format, generated stubs, compatibility
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	@set -e; out=`mktemp -d`; trap 'rm -rf "$$out"' EXIT; \
	$(MAKE) --silent --no-print-directory $(AT_ONCE) --assume-old=$(DEV) proto OUT="$$out"; \
	for folder in $(foreach language,$(PRESENT),$(GENERATED_$(language))); do \
		diff -r -u -x __init__.py -x __pycache__ "$$folder" "$$out/$$folder" || \
			{ echo 'The stubs are not what proto/ gives: run `make proto`.' >&2; exit 1; }; \
	done
	@sh tests/contract/breaking.sh $(BIN)/buf $(BREAKING_BASE)

docs-check: $(DEV) ## Check that docs/reference is what the code and the contract give
	@set -e; copy=`mktemp -d`; trap 'rm -rf "$$copy"' EXIT; \
	$(BIN)/python -m sluice_server.config.reference "$$copy"; \
	$(BIN)/python -m sluice_server.providers.table "$$copy"; \
	$(BIN)/python -m sluice_server.telemetry.reference "$$copy"; \
	$(BIN)/python -m tests.faults.page "$$copy"; \
	$(BIN)/python -m tests.reference "$$copy"; \
	$(BIN)/python -m tests.supply.licences "$$copy"; \
	diff -r -u docs/reference "$$copy" || \
		{ echo 'The reference is not what the code gives: run `make docs`, for faults.md `make faults`.' >&2; exit 1; }

# At the same time: none of these builds into another's folder. What builds the clients
# comes later, for proto-check shares their packages.
READY := tools litellm redis chromium prometheus node lint types layers proto-check docs-check

test: TEST_BEGAN := $(shell date +%s)
test: $(DEV) ## Everything that can be tested here, set-up included
	@sh tests/everything.sh $(TEST_BEGAN) '$(MAKE) --no-print-directory --assume-old=$(DEV) --assume-old=$(RUNTIME)' \
		$(BIN) '$(READY)' $(ARGS)

test-unit: $(DEV) redis ## Tests of single rooms
	$(BIN)/pytest tests/unit $(ARGS)

clients: $(PRESENT:%=build-%) languages ## Build the clients of all languages, their examples and conformance programs

lint-clients: $(PRESENT:%=lint-%) languages ## Check style and types of the clients, each by its language's tools

test-clients: $(PRESENT:%=test-%) languages ## Each client's own tests, in its language

# Languages at the same time, but the tasks of one after each other: its tools
# share a folder.
$(foreach it,$(PRESENT),$(eval lint-$(it): build-$(it)) $(eval test-$(it): lint-$(it)))

# Said before and after everything else, so that nobody overlooks it.
languages:
ifneq ($(MISSING),)
	@for language in $(MISSING); do \
		echo "!!! $$language: no toolchain here; its client is NOT built, checked or tested." >&2; done
	@[ "$$CI" != true ]
endif

test-contract: $(DEV) ## Promises that hold for all dialects, errors, settings
	$(BIN)/pytest tests/contract $(ARGS)

faults: $(DEV) ## Every fault of a provider in every dialect; without ARGS it also writes the page
	$(BIN)/pytest tests/faults $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.faults.page docs/reference)

test-e2e: $(DEV) tools litellm redis chromium prometheus node ## A real server against real upstreams
	$(BIN)/pytest tests/e2e $(ARGS)

soak: $(DEV) ## Add up thousands of calls with faults; e.g. ARGS="--calls 50000 --seed 7"
	@$(BIN)/python -m tests.soak $(ARGS)

# Seconds for each target; two run at a time.
FUZZ_SECONDS ?= 60
fuzz: $(DEV) ## Make up hostile inputs for FUZZ_SECONDS a target; e.g. ARGS="headers --seed 7"
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

bench: $(DEV) ## Measure against a bare relay on one pinned core
	$(BIN)/python -m tests.bench $(ARGS)

ifneq ($(shell command -v go 2>/dev/null),)
tools: $(GO_TOOLS) ## Build grpcurl, grpc-health-probe, helm and programs of our own for tests into .tools/bin (needs Go)
else ifeq ($(CI),true)
tools:
	@echo 'Go is missing, and without it the tests would skip what they must prove.' >&2; exit 1
else
tools:
	@echo 'Go is missing: tests that need grpcurl, grpc-health-probe, helm or our own programs will be skipped.' >&2
endif

ifneq ($(shell command -v npm 2>/dev/null),)
node: $(TOOLS)/$(NODE_PACKAGES)/.built ## Install gRPC's library for Node into .tools, for tests to call with (needs Node)
else ifeq ($(CI),true)
node:
	@echo 'Node is missing, and without it the tests would skip what they must prove.' >&2; exit 1
else
node:
	@echo 'Node is missing: tests with its gRPC library will be skipped.' >&2
endif

litellm: $(TOOLS)/$(LITELLM)/.built ## Build LiteLLM's proxy into .tools/bin, for tests to talk to

redis: $(TOOLS)/bin/redis-server ## Get a redis-server into .tools/bin, for tests to share state in

chromium: $(TOOLS)/bin/chromium ## Get a Chromium into .tools/bin, for tests to look at the status page with

prometheus: $(TOOLS)/bin/promtool ## Get prometheus and promtool into .tools/bin, for tests of rules and dashboards

##@ Supply chain

# Exit code 1: something is vulnerable; 2: not everything could be asked about.
audit: $(DEV) ## Ask about known vulnerabilities of all Python packages; says what could not be asked
	@$(BIN)/python -m tests.supply.audit requirements.lock requirements-build.lock requirements-dev.lock

licences: $(DEV) ## Write docs/reference/licences.md: every package of the server, with its licence
	$(BIN)/python -m tests.supply.licences docs/reference

sbom: $(DEV) ## Write dist/sluice.cdx.json, the bill of materials of the server (CycloneDX)
	$(BIN)/python -m tests.supply.bill dist/sluice.cdx.json

##@ Before a commit

precommit: format proto docs dashboards ## Everything that rewrites files

check: precommit ## precommit, then fail if it changed anything, then test
	git diff --exit-code
	$(MAKE) test

# ---- What the tasks stand on ----

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Editable installs without build isolation, which would fetch unpinned tools.
$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml clients/python/pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP_INSTALL) --no-build-isolation -e clients/python -e .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# The stamp carries the version, so that a new one is built.
GO_INSTALL = rm -f $(TOOLS)/$(1)-* && GOBIN="$(CURDIR)/$(TOOLS)/bin" GOFLAGS=-mod=mod CGO_ENABLED=0 go install

$(TOOLS)/grpcurl-$(GRPCURL_VERSION):
	$(call GO_INSTALL,grpcurl) -ldflags '-s -w -X main.version=$(GRPCURL_VERSION)' \
		github.com/fullstorydev/grpcurl/cmd/grpcurl@$(GRPCURL_VERSION)
	@touch $@

$(TOOLS)/grpc-health-probe-$(HEALTH_PROBE_VERSION):
	$(call GO_INSTALL,grpc-health-probe) -ldflags '-s -w' \
		github.com/grpc-ecosystem/grpc-health-probe@$(HEALTH_PROBE_VERSION)
	@touch $@

# A program of our own, or several. $(1) starts the stamp, $(2) is the folder of its module, $(3) what
# is built there.
define go_build
rm -f $(TOOLS)/$(1)-*
@mkdir -p $(TOOLS)/bin
cd $(2) && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$(CURDIR)/$(TOOLS)/bin/" $(3)
@touch $@
endef

$(TOOLS)/$(GRAFANA_SCHEMA):
	$(call go_build,grafana-schema,$(SCHEMA),.)

# Without the compiler's optimizations, which would take a third of the time again and win nothing.
$(TOOLS)/$(CHART_TOOLS):
	$(call go_build,chart-tools,$(JUDGE),-gcflags 'all=-N -l' . helm.sh/helm/v4/cmd/helm)

$(TOOLS)/$(KUBELET_PROBE):
	$(call go_build,kubelet-probe,$(PROBER),.)

$(TOOLS)/$(CONTAINER_CHECK):
	$(call go_build,container-check,$(CONTAINER),.)

# The machine's own programs, else out of Debian's packages: how is told there.
# $(1) is the folder, $(2) the programs and packages, $(3) what is lost without.
define debian
@if sh tests/support/debian.sh $(TOOLS) $(1) $(2); then :; \
elif [ "$$CI" = true ]; then \
	echo '$(1) is missing, and without it the tests would skip what they must prove.' >&2; exit 1; \
else \
	echo '$(1) is missing: $(3) will be skipped.' >&2; fi
endef

# On Debian the program is in redis-tools, and goes by its name.
$(TOOLS)/bin/redis-server:
	$(call debian,redis,redis-server=usr/bin/redis-server -- redis-server,tests of state that replicas share)

# The script that the package has in usr/bin would read settings of the machine.
$(TOOLS)/bin/chromium:
	$(call debian,chromium,chromium=usr/lib/chromium/chromium:google-chrome:chromium-browser -- chromium fonts-inter,tests of the status page)

$(TOOLS)/bin/promtool:
	$(call debian,prometheus,prometheus=usr/bin/prometheus promtool=usr/bin/promtool -- prometheus,tests of rules and dashboards)

# By pip, which knows where this machine's packages come from.
$(TOOLS)/$(LITELLM)/.built: $(LITELLM_LOCK) | $(DEV)
	rm -rf $(TOOLS)/litellm-*
	$(BIN)/python -m venv --without-pip $(TOOLS)/$(LITELLM)
	$(BIN)/python -m pip --python $(TOOLS)/$(LITELLM)/bin/python --disable-pip-version-check \
		install --quiet --no-deps --no-compile --require-hashes -r $(LITELLM_LOCK)
	@mkdir -p $(TOOLS)/bin
	ln -sf ../$(LITELLM)/bin/litellm $(TOOLS)/bin/litellm
	@touch $@

# The lock names no address: npm asks the registry that this machine uses, and
# compares what it gets with the lock's hashes.
$(TOOLS)/$(NODE_PACKAGES)/.built:
	rm -rf $(TOOLS)/node-packages-*
	@mkdir -p $(TOOLS)/bin $(@D)
	cp $(NODE)/package.json $(NODE)/package-lock.json $(@D)
	cd $(@D) && npm ci $(NPM_QUIET)
	ln -sf "`command -v node`" $(TOOLS)/bin/node
	ln -sfn $(NODE_PACKAGES)/node_modules $(TOOLS)/node_modules
	@touch $@
