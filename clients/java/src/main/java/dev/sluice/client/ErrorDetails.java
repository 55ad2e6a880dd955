package dev.sluice.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import dev.sluice.client.SluiceException.FieldViolation;
import dev.sluice.client.SluiceException.QuotaViolation;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** What the details of a status say; retryDelay is null when none was told. */
record ErrorDetails(
    String reason,
    String generationId,
    Duration retryDelay,
    List<FieldViolation> violations,
    List<QuotaViolation> quotaViolations,
    Map<String, String> metadata) {
  private static final String DOMAIN = "sluice.v1";

  /** What protobuf allows, 10,000 years. */
  private static final long MAX_DELAY_SECONDS = 315_576_000_000L;

  private static final int NANOS = 1_000_000_000;

  static ErrorDetails of(String reason, String generationId) {
    return new ErrorDetails(reason, generationId, null, List.of(), List.of(), Map.of());
  }

  /** Returns these with what one more detail says; of a kind that is not known, nothing. */
  ErrorDetails with(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      return with(detail.unpack(ErrorInfo.class));
    }
    if (detail.is(RequestInfo.class)) {
      return with(detail.unpack(RequestInfo.class));
    }
    if (detail.is(RetryInfo.class)) {
      return with(detail.unpack(RetryInfo.class));
    }
    if (detail.is(BadRequest.class)) {
      return with(detail.unpack(BadRequest.class));
    }
    if (detail.is(QuotaFailure.class)) {
      return with(detail.unpack(QuotaFailure.class));
    }
    return this;
  }

  /** Returns these with the id that is known without them: those of others are not of turns. */
  ErrorDetails withId(String known) {
    return new ErrorDetails(reason, known, retryDelay, violations, quotaViolations, metadata);
  }

  /** Of another domain it is by another server, whose reasons are not ours. */
  private ErrorDetails with(ErrorInfo info) {
    return info.getDomain().equals(DOMAIN)
        ? new ErrorDetails(
            info.getReason(),
            generationId,
            retryDelay,
            violations,
            quotaViolations,
            info.getMetadataMap())
        : this;
  }

  private ErrorDetails with(RequestInfo info) {
    String id = info.getRequestId().isEmpty() ? generationId : info.getRequestId();
    return new ErrorDetails(reason, id, retryDelay, violations, quotaViolations, metadata);
  }

  private ErrorDetails with(RetryInfo info) {
    long seconds = info.getRetryDelay().getSeconds();
    int nanos = info.getRetryDelay().getNanos();
    Duration delay =
        info.hasRetryDelay() && isWait(seconds, nanos)
            ? Duration.ofSeconds(seconds, nanos)
            : retryDelay;
    return new ErrorDetails(reason, generationId, delay, violations, quotaViolations, metadata);
  }

  /**
   * Whether somebody can wait so long: not for less than nothing, nor for more than protobuf
   * allows, of which Java cannot hold everything.
   */
  private static boolean isWait(long seconds, int nanos) {
    return 0 <= seconds && seconds <= MAX_DELAY_SECONDS && 0 <= nanos && nanos < NANOS;
  }

  private ErrorDetails with(BadRequest request) {
    List<FieldViolation> fields =
        request.getFieldViolationsList().stream()
            .map(it -> new FieldViolation(it.getField(), it.getDescription()))
            .toList();
    return new ErrorDetails(reason, generationId, retryDelay, fields, quotaViolations, metadata);
  }

  private ErrorDetails with(QuotaFailure failure) {
    List<QuotaViolation> quotas =
        failure.getViolationsList().stream()
            .map(it -> new QuotaViolation(it.getSubject(), it.getDescription()))
            .toList();
    return new ErrorDetails(reason, generationId, retryDelay, violations, quotas, metadata);
  }
}
