package dev.sluice.client;

import dev.sluice.v1.Tool;
import dev.sluice.v1.ToolCall;
import java.util.Objects;

/**
 * A function that a model may call.
 *
 * @param name unique in the request; letters, digits, {@code _} and {@code -}, at most 64
 * @param description what it does and when to use it
 * @param inputSchemaJson JSON Schema of the arguments, as JSON; empty for no arguments
 * @param strict asks the provider to keep to the schema while it writes arguments
 * @param body what is called
 */
public record ToolFunction(
    String name, String description, String inputSchemaJson, boolean strict, Body body) {

  /** What is called. Functions of one turn run at the same time. */
  @FunctionalInterface
  public interface Body {
    /**
     * Carries out one call. Whatever it throws but {@link ToolException} ends the run and reaches
     * the run's reader as it is. It is interrupted when its run or client is closed, or another
     * function ends the run.
     *
     * @param call the call, whose arguments are JSON that satisfies the schema, unless the request
     *     switched that check off
     * @return the result for the model, as text or JSON
     * @throws ToolException to tell the model what went wrong
     */
    String call(ToolCall call) throws ToolException;
  }

  /**
   * Refuses null at once, and not when the model has been paid for its call.
   *
   * @param name unique in the request; letters, digits, {@code _} and {@code -}, at most 64
   * @param description what it does and when to use it
   * @param inputSchemaJson JSON Schema of the arguments, as JSON; empty for no arguments
   * @param strict asks the provider to keep to the schema while it writes arguments
   * @param body what is called
   */
  public ToolFunction {
    Objects.requireNonNull(name);
    Objects.requireNonNull(description);
    Objects.requireNonNull(inputSchemaJson);
    Objects.requireNonNull(body);
  }

  /**
   * A function that is not strict.
   *
   * @param name unique in the request; letters, digits, {@code _} and {@code -}, at most 64
   * @param description what it does and when to use it
   * @param inputSchemaJson JSON Schema of the arguments, as JSON; empty for no arguments
   * @param body what is called
   */
  public ToolFunction(String name, String description, String inputSchemaJson, Body body) {
    this(name, description, inputSchemaJson, false, body);
  }

  Tool declaration() {
    return Tool.newBuilder()
        .setName(name)
        .setDescription(description)
        .setInputSchemaJson(inputSchemaJson)
        .setStrict(strict)
        .build();
  }
}
