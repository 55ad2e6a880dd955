package dev.sluice.client;

import io.grpc.Status;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A call failed. {@link #getMessage} is what the gateway says about it, or gRPC's library where no
 * gateway was reached. Whatever can be tried again was: gRPC's library does so before this is
 * thrown.
 */
// The lists and the map are copies of the JDK's own kinds, which can be serialised.
@SuppressWarnings("serial")
public final class SluiceException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * What is wrong with one field of a request.
   *
   * @param field path of the field
   * @param description what is wrong with it
   */
  public record FieldViolation(String field, String description) implements Serializable {}

  /**
   * A limit without room.
   *
   * @param subject whose limit it is
   * @param description what is used up
   */
  public record QuotaViolation(String subject, String description) implements Serializable {}

  private final Status.Code status;
  private final String reason;
  private final String generationId;
  private final Duration retryDelay;
  private final List<FieldViolation> violations;
  private final List<QuotaViolation> quotaViolations;
  private final Map<String, String> metadata;

  SluiceException(Status.Code status, String message, ErrorDetails details, Throwable cause) {
    super(message, cause);
    this.status = status;
    this.reason = details.reason();
    this.generationId = details.generationId();
    this.retryDelay = details.retryDelay();
    this.violations = List.copyOf(details.violations());
    this.quotaViolations = List.copyOf(details.quotaViolations());
    this.metadata = Map.copyOf(details.metadata());
  }

  /**
   * The gRPC status.
   *
   * @return any but OK
   */
  public Status.Code status() {
    return status;
  }

  /**
   * Why: the name of a value of {@code dev.sluice.v1.ErrorReason} without {@code ERROR_REASON_}, as
   * the gateway sent it, so it may be one that this version does not know.
   *
   * @return the name; empty when no gateway spoke, as when none was reached
   */
  public String reason() {
    return reason;
  }

  /**
   * How long to wait before the call may go better.
   *
   * @return the wait, if one was told
   */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }

  /**
   * Where the request breaks the contract.
   *
   * @return the fields; empty when that is not why
   */
  public List<FieldViolation> violations() {
    return violations;
  }

  /**
   * The limits that had no room.
   *
   * @return the limits; empty when that is not why
   */
  public List<QuotaViolation> quotaViolations() {
    return quotaViolations;
  }

  /**
   * What else the gateway tells, such as {@code provider}, {@code model} and {@code http_status}.
   *
   * @return by name
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * Id of the call at the gateway, to be quoted in support requests.
   *
   * @return the id; empty when none was told
   */
  public String generationId() {
    return generationId;
  }

  /** Puts the reason before the message, and the status where there is none. */
  // The message itself stays what the gateway said, for those who show it.
  @SuppressWarnings("OverrideThrowableToString")
  @Override
  public String toString() {
    String what = reason.isEmpty() ? status.name() : reason;
    return getClass().getName() + ": " + what + ": " + getMessage();
  }
}
