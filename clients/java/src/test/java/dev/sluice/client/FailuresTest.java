package dev.sluice.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Help;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import dev.sluice.client.SluiceException.FieldViolation;
import dev.sluice.client.SluiceException.QuotaViolation;
import io.grpc.Metadata;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.channels.ClosedChannelException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What becomes of a status and its trailers. */
class FailuresTest {
  private static final Status STATUS = Status.RESOURCE_EXHAUSTED.withDescription("No room.");

  @Test
  void everyDetailIsTold() {
    SluiceException failure =
        failure(
            ErrorInfo.newBuilder()
                .setDomain("sluice.v1")
                .setReason("A_REASON_OF_NEXT_YEAR")
                .putMetadata("provider", "openai")
                .build(),
            RequestInfo.newBuilder().setRequestId("gen_2").build(),
            RetryInfo.newBuilder()
                .setRetryDelay(Duration.newBuilder().setSeconds(2).setNanos(500_000_000))
                .build(),
            BadRequest.newBuilder()
                .addFieldViolations(
                    BadRequest.FieldViolation.newBuilder()
                        .setField("model")
                        .setDescription("empty"))
                .build(),
            QuotaFailure.newBuilder()
                .addViolations(
                    QuotaFailure.Violation.newBuilder().setSubject("key").setDescription("spent"))
                .build());

    assertEquals(Status.Code.RESOURCE_EXHAUSTED, failure.status());
    assertEquals("A_REASON_OF_NEXT_YEAR", failure.reason());
    assertEquals("No room.", failure.getMessage());
    assertEquals("gen_2", failure.generationId());
    assertEquals(Optional.of(java.time.Duration.ofMillis(2500)), failure.retryDelay());
    assertEquals(List.of(new FieldViolation("model", "empty")), failure.violations());
    assertEquals(List.of(new QuotaViolation("key", "spent")), failure.quotaViolations());
    assertEquals(Map.of("provider", "openai"), failure.metadata());
  }

  @Test
  void reasonOfAnotherDomainIsNotOurs() {
    SluiceException failure =
        failure(
            ErrorInfo.newBuilder()
                .setDomain("proxy.example")
                .setReason("TEAPOT")
                .putMetadata("brewing", "tea")
                .build());

    assertEquals("", failure.reason());
    assertEquals(Map.of(), failure.metadata());
  }

  @Test
  void detailsOfUnknownKindsAreSkipped() {
    SluiceException failure =
        failure(
            Help.getDefaultInstance(),
            ErrorInfo.newBuilder().setDomain("sluice.v1").setReason("OVERLOADED").build());

    assertEquals("OVERLOADED", failure.reason());
  }

  @Test
  void detailThatCannotBeReadKeepsNothingElseBack() {
    Any broken =
        Any.newBuilder()
            .setTypeUrl("type.googleapis.com/google.rpc.RetryInfo")
            .setValue(ByteString.copyFrom(new byte[] {1, 2, 3}))
            .build();
    Any info =
        Any.pack(ErrorInfo.newBuilder().setDomain("sluice.v1").setReason("OVERLOADED").build());
    byte[] details =
        com.google.rpc.Status.newBuilder()
            .addDetails(broken)
            .addDetails(info)
            .build()
            .toByteArray();

    SluiceException failure = Failures.of(STATUS, trailers(details), "");

    assertEquals("OVERLOADED", failure.reason());
    assertEquals(1, failure.getSuppressed().length);
  }

  @Test
  void delayThatIsNoneOfProtobufsIsNotTold() {
    for (Duration.Builder wrong :
        List.of(
            Duration.newBuilder().setSeconds(Long.MAX_VALUE).setNanos(Integer.MAX_VALUE),
            Duration.newBuilder().setSeconds(Long.MIN_VALUE).setNanos(-1),
            Duration.newBuilder().setNanos(1_000_000_000),
            Duration.newBuilder().setSeconds(1).setNanos(-1))) {
      SluiceException failure = failure(RetryInfo.newBuilder().setRetryDelay(wrong).build());

      assertEquals(Optional.empty(), failure.retryDelay(), wrong::toString);
    }
  }

  @Test
  void unreadableDetailsAreToldBesideTheStatus() {
    SluiceException failure = Failures.of(STATUS, trailers(new byte[] {1, 2, 3}), "gen_1");

    assertEquals(Status.Code.RESOURCE_EXHAUSTED, failure.status());
    assertEquals("No room.", failure.getMessage());
    assertEquals("gen_1", failure.generationId());
    assertEquals(1, failure.getSuppressed().length);
  }

  @Test
  void withoutDetailsThereIsTheStatus() {
    SluiceException failure = Failures.of(Status.UNAVAILABLE, new Metadata(), "");

    assertEquals("", failure.reason());
    assertEquals("", failure.getMessage());
    assertEquals("", failure.generationId());
    assertEquals(Optional.empty(), failure.retryDelay());
    assertTrue(failure.toString().contains("UNAVAILABLE"), failure.toString());
  }

  @Test
  void lostConnectionTellsWhy() {
    IOException cause = new IOException("Connection refused");
    Status status = Status.UNAVAILABLE.withDescription("io exception").withCause(cause);

    SluiceException failure = Failures.of(status, null, "");

    assertEquals("io exception: Connection refused", failure.getMessage());
    assertSame(cause, failure.getCause());
  }

  @Test
  void causeWithoutMessageIsToldByItsKind() {
    Status status =
        Status.UNAVAILABLE.withDescription("io exception").withCause(new ClosedChannelException());

    assertEquals(
        "io exception: ClosedChannelException", Failures.of(status, null, "").getMessage());
  }

  @Test
  void failureCanBeSerialised() throws IOException, ClassNotFoundException {
    SluiceException failure =
        failure(
            QuotaFailure.newBuilder()
                .addViolations(QuotaFailure.Violation.newBuilder().setSubject("key"))
                .build());
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(failure);
    }

    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      SluiceException copy = (SluiceException) in.readObject();
      assertEquals(failure.quotaViolations(), copy.quotaViolations());
    }
  }

  private static SluiceException failure(Message... details) {
    com.google.rpc.Status.Builder status = com.google.rpc.Status.newBuilder();
    for (Message detail : details) {
      status.addDetails(Any.pack(detail));
    }
    return Failures.of(STATUS, trailers(status.build().toByteArray()), "gen_1");
  }

  private static Metadata trailers(byte[] details) {
    Metadata trailers = new Metadata();
    trailers.put(
        Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), details);
    return trailers;
  }
}
