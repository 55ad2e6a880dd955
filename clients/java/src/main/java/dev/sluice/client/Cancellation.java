package dev.sluice.client;

/** Cancels a call that runs by itself. */
@FunctionalInterface
public interface Cancellation {
  /** Cancels the call, and the gateway hangs up on the provider. Has no effect once it is over. */
  void cancel();
}
