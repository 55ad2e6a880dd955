package dev.sluice.client;

/** A run of tools made all the turns that it may, and the model still wants more. */
public final class TurnLimitException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int maxTurns;

  TurnLimitException(int maxTurns) {
    super("The model still wants more after " + maxTurns + " turns.");
    this.maxTurns = maxTurns;
  }

  /**
   * How many turns were made.
   *
   * @return the limit of the run
   */
  public int maxTurns() {
    return maxTurns;
  }
}
