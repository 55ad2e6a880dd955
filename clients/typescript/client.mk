# The TypeScript client: how it is generated, built, checked and tested. What is
# installed comes from the lock beside it, and lies beside it.

TOOLCHAIN_typescript := node npm
TYPESCRIPT          := clients/typescript
GENERATED_typescript := $(TYPESCRIPT)/src/gen

# By content: a fresh checkout of the same lock is no reason to install again.
TYPESCRIPT_PACKAGES := $(TYPESCRIPT)/node_modules/.installed-$(shell cat $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json | cksum | cut -d' ' -f1)
TYPESCRIPT_BIN      := node_modules/.bin
TYPESCRIPT_BUF      = $(BIN)/buf generate -o $(OUT) --template $(TYPESCRIPT)/buf.gen.yaml

proto-typescript: $(DEV) $(TYPESCRIPT_PACKAGES)
	@rm -rf $(OUT)/$(GENERATED_typescript)
	$(TYPESCRIPT_BUF) proto
	$(BIN)/python $(TYPESCRIPT)/standard_protos.py | $(TYPESCRIPT_BUF) - --path google/rpc --path grpc_health
	{ echo '// A copy of proto/sluice/v1/service_config.json.'; printf 'export const serviceConfig = '; \
		cat proto/sluice/v1/service_config.json; } > $(OUT)/$(GENERATED_typescript)/sluice/v1/service_config.ts
	{ echo '// A copy out of package.json.'; \
		sed -n 's/^  "version": \(".*"\),$$/export const version = \1;/p' $(TYPESCRIPT)/package.json; } \
		> $(OUT)/$(GENERATED_typescript)/version.ts

# The code of the README, read from top to bottom, is one more example.
build-typescript: $(TYPESCRIPT_PACKAGES)
	@cd $(TYPESCRIPT) && sed -n '/^```ts$$/,/^```$$/{/^```/!p}' README.md > example/readme.ts
	@cd $(TYPESCRIPT) && $(TYPESCRIPT_BIN)/tsc --build
	@mkdir -p $(TOOLS)/bin
	@$(call typescript_program,example,)
	@$(call typescript_program,conformance,--disable-warning=DEP0123)

# $(1) is the folder of the program, $(2) options of Node. The conformance run
# speaks TLS to 127.0.0.1; gRPC's library sends that as the server's name, and
# Node warns of it.
typescript_program = printf '\#!/bin/sh\nexec node $(2) "%s" "$$@"\n' '$(CURDIR)/$(TYPESCRIPT)/build/$(1)/main.js' \
	> $(TOOLS)/bin/$(1)-typescript && chmod +x $(TOOLS)/bin/$(1)-typescript

lint-typescript: $(TYPESCRIPT_PACKAGES)
	@cd $(TYPESCRIPT) && $(TYPESCRIPT_BIN)/prettier --check --log-level=warn .
	@cd $(TYPESCRIPT) && $(TYPESCRIPT_BIN)/eslint --max-warnings=0

test-typescript: build-typescript
	@cd $(TYPESCRIPT) && out=`node --test --test-timeout=60000 build/test/*.test.js 2>&1` || { echo "$$out"; exit 1; }

$(TYPESCRIPT_PACKAGES):
	cd $(TYPESCRIPT) && npm ci $(NPM_QUIET)
	@touch $@
