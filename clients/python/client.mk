# The Python client: how its stubs are generated. It is checked and tested with
# everything else that is Python; see the Makefile of the project.

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

build-python: $(RUNTIME)

lint-python: $(DEV)

test-python:
