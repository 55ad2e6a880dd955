package dev.sluice.client;

import dev.sluice.v1.GenerateRequest;
import dev.sluice.v1.Message;
import dev.sluice.v1.Part;
import dev.sluice.v1.Role;
import dev.sluice.v1.ToolCall;
import dev.sluice.v1.ToolResult;

/** Makes the usual requests and messages; best imported statically. */
public final class Messages {
  private Messages() {}

  /**
   * A request of one user message.
   *
   * @param model {@code provider/model}, or a route that the gateway is configured with
   * @param text what the user says
   * @return the request, to which more can be added with {@code toBuilder()}
   */
  public static GenerateRequest prompt(String model, String text) {
    return GenerateRequest.newBuilder().setModel(model).addMessages(user(text)).build();
  }

  /**
   * Instructions of the application.
   *
   * @param text the instructions
   * @return the message
   */
  public static Message system(String text) {
    return message(Role.ROLE_SYSTEM, Part.newBuilder().setText(text));
  }

  /**
   * Words of the user.
   *
   * @param text the words
   * @return the message
   */
  public static Message user(String text) {
    return message(Role.ROLE_USER, Part.newBuilder().setText(text));
  }

  /**
   * What a call of the model returned.
   *
   * @param call the call
   * @param text what it returned, as text or JSON
   * @return the message
   */
  public static Message toolResult(ToolCall call, String text) {
    return message(Role.ROLE_TOOL, result(call, text, false));
  }

  static Part.Builder result(ToolCall call, String text, boolean isError) {
    ToolResult.Builder result =
        ToolResult.newBuilder()
            .setToolCallId(call.getId())
            .addParts(Part.newBuilder().setText(text))
            .setIsError(isError);
    return Part.newBuilder().setToolResult(result);
  }

  private static Message message(Role role, Part.Builder part) {
    return Message.newBuilder().setRole(role).addParts(part).build();
  }
}
