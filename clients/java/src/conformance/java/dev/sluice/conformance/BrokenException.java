package dev.sluice.conformance;

/** What a function throws that breaks. */
final class BrokenException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  BrokenException(String message) {
    super(message);
  }
}
