# The java client: how it is generated, built, checked and tested.

TOOLCHAIN_java := missing
GENERATED_java := clients/java

proto-java build-java lint-java test-java:
