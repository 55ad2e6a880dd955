package dev.sluice.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;

/** Makes exceptions of the ends of calls. */
final class Failures {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private Failures() {}

  /**
   * Returns the failure that a status tells.
   *
   * @param trailers what came with it; null for nothing
   * @param generationId id of the call as far as it is known without the details; else empty
   */
  static SluiceException of(Status status, Metadata trailers, String generationId) {
    // Written by some other server. The status, and what else can be read, holds all the same.
    List<InvalidProtocolBufferException> unreadable = new ArrayList<>();
    ErrorDetails details = ErrorDetails.of("", generationId);
    for (Any detail : packed(trailers, unreadable)) {
      try {
        details = details.with(detail);
      } catch (InvalidProtocolBufferException failure) {
        unreadable.add(failure);
      }
    }
    if (details.reason().isEmpty()) {
      details = details.withId(generationId);
    }
    SluiceException failure =
        new SluiceException(status.getCode(), message(status), details, status.getCause());
    unreadable.forEach(failure::addSuppressed);
    return failure;
  }

  private static List<Any> packed(
      Metadata trailers, List<InvalidProtocolBufferException> unreadable) {
    byte[] encoded = trailers == null ? null : trailers.get(DETAILS);
    if (encoded == null) {
      return List.of();
    }
    try {
      return com.google.rpc.Status.parseFrom(encoded).getDetailsList();
    } catch (InvalidProtocolBufferException failure) {
      unreadable.add(failure);
      return List.of();
    }
  }

  /** Returns the failure of what was ended on this side between turns; a null cause is none. */
  static SluiceException cancelled(String message, Throwable cause) {
    return cancelled(message, "", cause);
  }

  /** Returns the failure of a call that was ended on this side; its id is empty until told. */
  static SluiceException cancelled(String message, String generationId, Throwable cause) {
    return new SluiceException(
        Status.Code.CANCELLED, message, ErrorDetails.of("", generationId), cause);
  }

  /** Returns the failure of a stream that ended well, but without Completed. */
  static SluiceException truncated(String generationId) {
    return new SluiceException(
        Status.Code.UNAVAILABLE,
        "The stream ended well, but without Completed.",
        ErrorDetails.of("STREAM_TRUNCATED", generationId),
        null);
  }

  /**
   * Throws what a function threw. It may be checked although none is declared: other languages of
   * the JVM do not tell them apart.
   */
  @SuppressWarnings("unchecked")
  static <T extends Throwable> RuntimeException asItIs(Throwable thrown) throws T {
    throw (T) thrown;
  }

  /** A gateway says it all; of a lost connection the library says why only in the cause. */
  private static String message(Status status) {
    String told = status.getDescription() == null ? "" : status.getDescription();
    Throwable cause = status.getCause();
    if (cause == null) {
      return told;
    }
    // Of a closed connection or a missing socket the kind of the exception is all there is.
    String why = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    return told.isEmpty() ? why : told + ": " + why;
  }
}
