# The Go client: how it is generated, built, checked and tested. Its dependencies
# are pinned by go.sum, programs that are none by the versions below.

TOOLCHAIN_go := go
GENERATED_go := clients/go/sluicev1

PROTOC_GEN_GO_VERSION      := v1.36.12
PROTOC_GEN_GO_GRPC_VERSION := v1.6.2
STATICCHECK_VERSION        := v0.8.2

GO_GENERATORS  := $(TOOLS)/go-generators-$(PROTOC_GEN_GO_VERSION)-$(PROTOC_GEN_GO_GRPC_VERSION)
GO_STATICCHECK := $(TOOLS)/staticcheck-$(STATICCHECK_VERSION)

# GOWORK: a workspace around this clone has nothing to say about it. CGO_ENABLED:
# one and the same for all, or everything would be compiled twice.
IN_GO = cd clients/go && GOWORK=off GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0

proto-go: $(DEV) $(GO_GENERATORS)
	rm -rf $(OUT)/$(GENERATED_go)
	$(BIN)/buf generate -o $(OUT) --template clients/go/buf.gen.yaml
	cp proto/sluice/v1/service_config.json $(OUT)/$(GENERATED_go)/

# Go itself knows what has to be built anew.
build-go:
	@mkdir -p $(TOOLS)/bin
	@for program in conformance:internal/conformance example:example; do \
		($(IN_GO) go build -ldflags '-s -w' -o "$(CURDIR)/$(TOOLS)/bin/$${program%%:*}-go" "./$${program#*:}") || exit; \
	done

lint-go: $(GO_STATICCHECK)
	@unformatted=`gofmt -l clients/go`; [ -z "$$unformatted" ] || \
		{ echo "gofmt would change: $$unformatted" >&2; exit 1; }
	@$(IN_GO) go mod tidy -diff
	@$(IN_GO) go vet ./...
	@$(IN_GO) "$(CURDIR)/$(TOOLS)/bin/staticcheck" ./...

# The detector of data races needs a C compiler.
test-go:
	@$(IN_GO) $(if $(shell command -v cc 2>/dev/null),CGO_ENABLED=1 go test -race,go test) -timeout 2m ./...

$(GO_GENERATORS):
	$(call GO_INSTALL,go-generators) google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)
	$(call GO_INSTALL,go-generators) google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GO_GRPC_VERSION)
	@touch $@

$(GO_STATICCHECK):
	$(call GO_INSTALL,staticcheck) honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@touch $@
