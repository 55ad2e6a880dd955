package dev.sluice.client;

import dev.sluice.v1.Completed;
import dev.sluice.v1.Cost;
import dev.sluice.v1.FinishReason;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Timing;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.Upstream;
import dev.sluice.v1.Usage;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** The whole answer of a turn. */
public final class Answer {
  private final String generationId;
  private final Message message;
  private final Completed completed;

  Answer(String generationId, Message message, Completed completed) {
    this.generationId = generationId;
    this.message = message;
    this.completed = completed;
  }

  /**
   * What the model said, ready to be appended to the conversation. Where the gateway left it out
   * for its size it is put together from the deltas, which hold no provider state.
   *
   * @return the message
   */
  public Message message() {
    return message;
  }

  /**
   * The visible text.
   *
   * @return the message's parts of text, joined
   */
  public String text() {
    return joined(Part::hasText, Part::getText);
  }

  /**
   * A refusal in the model's own words.
   *
   * @return the message's refusals, joined; empty where the model did not refuse
   */
  public String refusal() {
    return joined(Part::hasRefusal, Part::getRefusal);
  }

  /**
   * What the model thought, as far as the request asked to see it.
   *
   * @return the texts of the message's reasoning, joined
   */
  public String reasoning() {
    return joined(Part::hasReasoning, part -> part.getReasoning().getText());
  }

  /**
   * The calls that the model made, each with the gateway's verdict.
   *
   * @return the calls, in the message's order
   */
  public List<ToolCall> toolCalls() {
    return message.getPartsList().stream()
        .filter(Part::hasToolCall)
        .map(Part::getToolCall)
        .toList();
  }

  /**
   * Why the model stopped.
   *
   * @return the reason; UNRECOGNIZED for one that this version does not know
   */
  public FinishReason finishReason() {
    return completed.getFinishReason();
  }

  /**
   * Why the model stopped, as the contract's number, which is there for reasons that this version
   * does not know as well.
   *
   * @return the number
   */
  public int finishReasonValue() {
    return completed.getFinishReasonValue();
  }

  /**
   * Tokens.
   *
   * @return the counts, if any were told
   */
  public Optional<Usage> usage() {
    return completed.hasUsage() ? Optional.of(completed.getUsage()) : Optional.empty();
  }

  /**
   * Money.
   *
   * @return the cost, if a price is known
   */
  public Optional<Cost> cost() {
    return completed.hasCost() ? Optional.of(completed.getCost()) : Optional.empty();
  }

  /**
   * Where the time went.
   *
   * @return the times, if they were told
   */
  public Optional<Timing> timing() {
    return completed.hasTiming() ? Optional.of(completed.getTiming()) : Optional.empty();
  }

  /**
   * Who answered.
   *
   * @return provider, model and more, if it was told
   */
  public Optional<Upstream> upstream() {
    return completed.hasUpstream() ? Optional.of(completed.getUpstream()) : Optional.empty();
  }

  /**
   * Id of the turn at the gateway, to be quoted in support requests.
   *
   * @return the id
   */
  public String generationId() {
    return generationId;
  }

  private String joined(Predicate<Part> ofKind, Function<Part, String> text) {
    return message.getPartsList().stream().filter(ofKind).map(text).collect(Collectors.joining());
  }
}
