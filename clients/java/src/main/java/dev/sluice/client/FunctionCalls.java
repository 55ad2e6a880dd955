package dev.sluice.client;

import dev.sluice.v1.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;

/** The calls of one turn, run at the same time. */
final class FunctionCalls {
  private final List<FutureTask<Part>> tasks;
  private final BlockingQueue<FutureTask<Part>> finished = new LinkedBlockingQueue<>();

  FunctionCalls(List<Callable<Part>> work) {
    tasks = work.stream().<FutureTask<Part>>map(Task::new).toList();
  }

  /**
   * Runs all of them and returns their results in the order of the calls. The first that throws
   * ends it, and the others are interrupted.
   *
   * @throws ExecutionException for what a function threw
   * @throws java.util.concurrent.CancellationException if {@link #cancel} ended it
   */
  List<Part> run(Executor executor) throws ExecutionException, InterruptedException {
    try {
      tasks.forEach(executor::execute);
      for (int left = tasks.size(); left > 0; left--) {
        finished.take().get();
      }
      List<Part> results = new ArrayList<>();
      for (FutureTask<Part> task : tasks) {
        results.add(task.get());
      }
      return results;
    } finally {
      cancel();
    }
  }

  /** Interrupts those that run, and keeps those from beginning that did not. */
  void cancel() {
    tasks.forEach(task -> task.cancel(true));
  }

  private final class Task extends FutureTask<Part> {
    Task(Callable<Part> work) {
      super(work);
    }

    @Override
    protected void done() {
      finished.add(this);
    }
  }
}
