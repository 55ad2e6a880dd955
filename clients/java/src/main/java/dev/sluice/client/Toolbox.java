package dev.sluice.client;

import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.Part;
import dev.sluice.v1.Tool;
import dev.sluice.v1.ToolCall;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The functions of a run, and the tools that its request declares without one. */
final class Toolbox {
  private final List<ToolFunction> functions;
  private final Map<String, ToolFunction> byName;
  private final Set<String> callersTools;

  Toolbox(List<Tool> callersTools, List<ToolFunction> functions) {
    this.functions = List.copyOf(functions);
    // The gateway refuses a request that declares a name twice.
    this.byName =
        functions.stream()
            .collect(
                Collectors.toMap(ToolFunction::name, Function.identity(), (one, other) -> one));
    this.callersTools =
        callersTools.stream()
            .map(Tool::getName)
            .filter(name -> !byName.containsKey(name))
            .collect(Collectors.toSet());
  }

  /** Returns the request with the functions among its tools. */
  GenerateRequest declaredIn(GenerateRequest request) {
    return request.toBuilder()
        .addAllTools(functions.stream().map(ToolFunction::declaration).toList())
        .build();
  }

  /** Whether the caller declared this tool and kept what it does to themselves. */
  boolean isCallers(ToolCall call) {
    return callersTools.contains(call.getName());
  }

  /** Returns what has to be done about a call, giving its result for the model. */
  Callable<Part> work(ToolCall call) {
    ToolFunction function = byName.get(call.getName());
    if (function == null) {
      return unknown(call);
    }
    return switch (call.getCheck()) {
      case ARGUMENTS_CHECK_MALFORMED_JSON -> wrong(call, "The arguments are not valid JSON.");
      case ARGUMENTS_CHECK_SCHEMA_VIOLATION ->
          wrong(
              call,
              "The arguments do not match the schema: "
                  + String.join("; ", call.getViolationsList()));
      case ARGUMENTS_CHECK_UNKNOWN_TOOL -> unknown(call);
      default -> () -> result(call, function);
    };
  }

  private static Part result(ToolCall call, ToolFunction function) {
    try {
      String result =
          Objects.requireNonNull(
              function.body().call(call), () -> function.name() + " returned null");
      return Messages.result(call, result, false).build();
    } catch (ToolException told) {
      return Messages.result(call, told.getMessage(), true).build();
    }
  }

  private static Callable<Part> unknown(ToolCall call) {
    return wrong(call, "There is no function named " + call.getName() + ".");
  }

  private static Callable<Part> wrong(ToolCall call, String message) {
    return () -> Messages.result(call, message, true).build();
  }
}
