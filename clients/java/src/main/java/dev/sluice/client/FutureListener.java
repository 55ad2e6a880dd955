package dev.sluice.client;

import dev.sluice.v1.Event;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Completes a future with the answer of a call. */
record FutureListener(CompletableFuture<Answer> future) implements GenerateCall.Listener {
  @Override
  public void onEvents(GenerateCall call, List<Event> events) {
    call.fetch();
  }

  @Override
  public void onAnswer(Answer answer) {
    future.complete(answer);
  }

  @Override
  public void onFailure(SluiceException failure) {
    future.completeExceptionally(failure);
  }
}
