# The go client: how it is generated, built, checked and tested.

TOOLCHAIN_go := missing
GENERATED_go := clients/go

proto-go build-go lint-go test-go:
