package dev.sluice.client;

import dev.sluice.v1.Message;
import java.util.List;

/**
 * The events of several turns, between which the functions run that the model called.
 *
 * <ul>
 *   <li>Functions of a turn run at the same time; the model gets their results in the order of its
 *       calls.
 *   <li>A call that the gateway found wrong is not run; the model is told what is wrong.
 *   <li>A function that throws {@link ToolException} has its message sent to the model. Whatever
 *       else it throws ends the run and reaches the reader as it is; functions beside it are
 *       interrupted.
 *   <li>A turn that calls a tool of the request for which there is no function ends the run, before
 *       anything of that turn is run: those calls are the caller's.
 *   <li>A turn that the provider paused is sent back to go on.
 *   <li>When all turns were made that may be, and the last one still wants more, the run ends with
 *       {@link TurnLimitException}; functions whose results no model would see are not run.
 * </ul>
 *
 * <p>Functions run while the reader waits for the next event. {@link #close} interrupts them.
 */
public interface ToolRun extends EventStream {
  /**
   * Returns the conversation as far as it is: the request's messages, and whatever the turns added.
   * It can be asked for at any time, after a failure as well.
   *
   * @return a copy
   */
  List<Message> messages();

  /**
   * Returns the answers of the turns that are complete. It can be asked for at any time, after a
   * failure as well.
   *
   * @return a copy
   */
  List<Answer> answers();
}
