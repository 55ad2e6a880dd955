package dev.sluice.conformance;

/** An order that the driver does not understand. */
final class OrderException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  OrderException(String message, Throwable cause) {
    super(message, cause);
  }
}
