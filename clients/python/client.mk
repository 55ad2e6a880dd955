# The Python client: how its stubs are generated, and how its driver and its
# example are started. It is checked and tested with everything else that is
# Python; see the Makefile of the project.

TOOLCHAIN_python :=
GENERATED_python := clients/python/sluice/v1

# protoc writes an empty stub module for every file without a service; only
# those with one are kept.
proto-python: $(DEV)
	$(BIN)/buf build -o /dev/null
	@mkdir -p $(OUT)/$(GENERATED_python)
	rm -f $(OUT)/$(GENERATED_python)/*_pb2*
	$(BIN)/buf generate -o $(OUT) --template "`sed 's|_out=clients|_out=$(OUT)/clients|' clients/python/buf.gen.yaml`"
	cp proto/sluice/v1/service_config.json $(OUT)/$(GENERATED_python)/
	for module in `grep -L '^service ' proto/sluice/v1/*.proto | sed -e 's|^proto/||' -e 's|\.proto$$||'`; do \
		rm -f $(OUT)/clients/python/$${module}_pb2_grpc.py*; done

# Nothing is built; what is left are scripts that run the sources. $(1) is the
# name of one, $(2) what Python is to run. Moved into place whole: it may be running.
define script_python
@mkdir -p $(TOOLS)/bin
@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" %s "$$@"\n' \
	"$(CURDIR)/clients/python" "$(CURDIR)/$(BIN)/python" '$(2)' > $(TOOLS)/bin/.$(1)
@chmod +x $(TOOLS)/bin/.$(1)
@mv $(TOOLS)/bin/.$(1) $(TOOLS)/bin/$(1)
endef

build-python: $(RUNTIME)
	$(call script_python,conformance-python,-m conformance blocking)
	$(call script_python,conformance-python-asyncio,-m conformance asyncio)
	$(call script_python,example-python,"$(CURDIR)/clients/python/example.py")

lint-python: $(DEV)

test-python:
