package dev.sluice.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;

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
    ErrorDetails details = ErrorDetails.of("", generationId);
    byte[] encoded = trailers == null ? null : trailers.get(DETAILS);
    InvalidProtocolBufferException unreadable = null;
    if (encoded != null) {
      try {
        for (Any detail : com.google.rpc.Status.parseFrom(encoded).getDetailsList()) {
          details = details.with(detail);
        }
      } catch (InvalidProtocolBufferException failure) {
        // Written by some other server. Its status holds all the same.
        unreadable = failure;
      }
    }
    SluiceException failure =
        new SluiceException(status.getCode(), message(status), details, status.getCause());
    if (unreadable != null) {
      failure.addSuppressed(unreadable);
    }
    return failure;
  }

  /** Returns the failure of what was ended on this side; a null cause is none. */
  static SluiceException cancelled(String message, Throwable cause) {
    return new SluiceException(Status.Code.CANCELLED, message, ErrorDetails.of("", ""), cause);
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
    if (cause == null || cause.getMessage() == null) {
      return told;
    }
    return told.isEmpty() ? cause.getMessage() : told + ": " + cause.getMessage();
  }
}
