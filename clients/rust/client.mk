# The rust client: how it is generated, built, checked and tested.

TOOLCHAIN_rust := missing
GENERATED_rust := clients/rust

proto-rust build-rust lint-rust test-rust:
