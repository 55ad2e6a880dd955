package dev.sluice.client;

import java.util.Objects;

/**
 * A function failed in a way that the model shall know of. Its message is sent to the model as the
 * result of the call, marked as an error, and the run goes on.
 */
public final class ToolException extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * A failure.
   *
   * @param message what the model is told
   */
  public ToolException(String message) {
    super(Objects.requireNonNull(message));
  }

  /**
   * A failure with a cause, of which the model is told nothing.
   *
   * @param message what the model is told
   * @param cause what went wrong
   */
  public ToolException(String message, Throwable cause) {
    super(Objects.requireNonNull(message), cause);
  }
}
