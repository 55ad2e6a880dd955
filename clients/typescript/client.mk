# The typescript client: how it is generated, built, checked and tested.

TOOLCHAIN_typescript := missing
GENERATED_typescript := clients/typescript

proto-typescript build-typescript lint-typescript test-typescript:
