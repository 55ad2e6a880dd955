# The Java client: how it is generated, built, checked and tested.

TOOLCHAIN_java := java javac mvn
GENERATED_java := clients/java/src/generated

JAVA := clients/java
# Quiet, and without a line per artifact that is downloaded.
# Without colours Maven still resets them at its end, unless it is told before it starts.
MVN  := MAVEN_OPTS="$$MAVEN_OPTS -Djansi.noreset=true" mvn --quiet --batch-mode --no-transfer-progress -Dstyle.color=never --file $(JAVA)/pom.xml

# The generators' versions are those of the libraries, which stand in pom.xml.
java_version = $(shell sed -n 's|.*<$(1).version>\(.*\)</$(1).version>.*|\1|p' $(JAVA)/pom.xml)
PROTOC_JAVA          := protoc-java-$(call java_version,protobuf)
PROTOC_GEN_GRPC_JAVA := protoc-gen-grpc-java-$(call java_version,grpc)
# The newest that run on Java 17.
GOOGLE_JAVA_FORMAT   := google-java-format-1.28.0
ERROR_PRONE          := error-prone-2.42.0
DATAFLOW             := 3.49.3-eisop1
# As Maven Central names this machine: linux-x86_64, osx-aarch_64.
JAVA_PLATFORM := $(shell uname -sm | tr A-Z a-z | sed -E -e 's/darwin/osx/' -e 's/ /-/' -e 's/aarch64|arm64/aarch_64/')

JAVA_SOURCES = $(shell find $(JAVA)/src -type f)

proto-java: $(DEV) $(TOOLS)/$(PROTOC_JAVA) $(TOOLS)/$(PROTOC_GEN_GRPC_JAVA)
	rm -rf $(OUT)/$(GENERATED_java)
	$(BIN)/buf generate -o $(OUT) --template $(JAVA)/buf.gen.yaml
	@mkdir -p $(OUT)/$(GENERATED_java)/resources/dev/sluice/v1
	cp proto/sluice/v1/service_config.json $(OUT)/$(GENERATED_java)/resources/dev/sluice/v1/

# The programs name this checkout; written every time, for it may have moved.
build-java: $(JAVA)/target/.built
	@mkdir -p $(TOOLS)/bin
	@$(call java_program,conformance-java,dev.sluice.conformance.Main)
	@$(call java_program,example-java,dev.sluice.example.Example)

$(JAVA)/target/.built: $(JAVA)/pom.xml $(JAVA_SOURCES)
	$(MVN) package -DskipTests dependency:build-classpath -Dmdep.outputFile=target/classpath
	@touch $@

# They live for a second or two: the quick compiler and the small collector start soonest.
java_program = { echo '\#!/bin/sh'; \
	echo 'exec java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$(CURDIR)/$(JAVA)/target/classes:$(CURDIR)/$(JAVA)/target/test-classes:'"`cat $(JAVA)/target/classpath`"'" $(2) "$$@"'; \
	} > $(TOOLS)/bin/$(1) && chmod +x $(TOOLS)/bin/$(1)

JAVA_WRITTEN = $(shell find $(JAVA)/src -path $(GENERATED_java) -prune -o -name '*.java' -print)
# Formatter and linter read Java with the inside of the compiler.
java_exports = $(foreach it,api code comp file main model parser processing tree util,\
	$(1)--add-exports=jdk.compiler/com.sun.tools.javac.$(it)=ALL-UNNAMED) \
	$(foreach it,code comp,$(1)--add-opens=jdk.compiler/com.sun.tools.javac.$(it)=ALL-UNNAMED)

# What javac itself says, of code and documentation, is an error in every build.
lint-java: $(JAVA)/target/.built $(TOOLS)/$(GOOGLE_JAVA_FORMAT) $(TOOLS)/$(ERROR_PRONE)
	@echo '$(GOOGLE_JAVA_FORMAT), $(ERROR_PRONE)'
	@java $(call java_exports) -jar $(TOOLS)/$(GOOGLE_JAVA_FORMAT) --set-exit-if-changed --dry-run $(JAVA_WRITTEN)
	@javac $(call java_exports,-J) -Xplugin:ErrorProne -XDcompilePolicy=simple --should-stop=ifError=FLOW -Werror \
		-processorpath "`echo $(TOOLS)/$(ERROR_PRONE)/*.jar | tr ' ' :`" --release 17 -d $(JAVA)/target/lint \
		-cp "$(JAVA)/target/classes:`cat $(JAVA)/target/classpath`" $(JAVA_WRITTEN)

test-java: $(JAVA)/target/.built
	$(MVN) test

# $(1) is the artifact, $(2) how the files of all its versions begin.
java_artifact = rm -rf $(TOOLS)/$(2)-* && \
	$(MVN) dependency:copy -Dartifact=$(1) -DoutputDirectory=$(CURDIR)/$@.download && \
	mv $@.download/* $@ && rmdir $@.download

$(TOOLS)/$(PROTOC_JAVA):
	$(call java_artifact,com.google.protobuf:protoc:$(@:$(TOOLS)/protoc-java-%=%):exe:$(JAVA_PLATFORM),protoc-java)
	@mkdir -p $(TOOLS)/bin
	chmod +x $@ && ln -sf ../$(@F) $(TOOLS)/bin/protoc-java

$(TOOLS)/$(PROTOC_GEN_GRPC_JAVA):
	$(call java_artifact,io.grpc:protoc-gen-grpc-java:$(@:$(TOOLS)/protoc-gen-grpc-java-%=%):exe:$(JAVA_PLATFORM),protoc-gen-grpc-java)
	@mkdir -p $(TOOLS)/bin
	chmod +x $@ && ln -sf ../$(@F) $(TOOLS)/bin/protoc-gen-grpc-java

$(TOOLS)/$(GOOGLE_JAVA_FORMAT):
	$(call java_artifact,com.google.googlejavaformat:google-java-format:$(@:$(TOOLS)/google-java-format-%=%):jar:all-deps,google-java-format)

$(TOOLS)/$(ERROR_PRONE):
	rm -rf $(TOOLS)/error-prone-*
	$(MVN) dependency:copy -DoutputDirectory=$(CURDIR)/$@.download \
		-Dartifact=com.google.errorprone:error_prone_core:$(ERROR_PRONE:error-prone-%=%):jar:with-dependencies
	$(MVN) dependency:copy -DoutputDirectory=$(CURDIR)/$@.download \
		-Dartifact=io.github.eisop:dataflow-errorprone:$(DATAFLOW)
	mv $@.download $@
