package dev.sluice.client;

import dev.sluice.v1.Event;
import io.grpc.stub.StreamObserver;
import java.util.List;

/** Passes a call on to an observer, as fast as that returns. */
record ObserverListener(StreamObserver<Event> observer) implements GenerateCall.Listener {
  @Override
  public void onEvents(GenerateCall call, List<Event> events) {
    events.forEach(observer::onNext);
    call.fetch();
  }

  @Override
  public void onAnswer(Answer answer) {
    observer.onCompleted();
  }

  @Override
  public void onFailure(SluiceException failure) {
    observer.onError(failure);
  }
}
