import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { FinishReason, prompt, Role, type Answer } from "@sluice/client";

import { completed, started, textDelta } from "./support/events.js";
import { clientOf, send, type EventInit } from "./support/gateway.js";

async function answerOf(t: TestContext, ...events: EventInit[]): Promise<Answer> {
  const client = await clientOf(t, {
    generate(call) {
      for (const event of [started("gen_9"), ...events]) send(call, event);
      call.end();
    },
  });
  return client.collect(prompt("up/m", "Hi"));
}

test("a message that Completed left out is put together from interleaved deltas", async (t) => {
  const toolCall = { id: "c", name: "f", argumentsJson: '{"a":1}' };
  const answer = await answerOf(
    t,
    {
      kind: {
        case: "partStarted",
        value: { part: 1, kind: { case: "toolCall", value: { id: "c", name: "f" } } },
      },
    },
    { kind: { case: "partStarted", value: { part: 0, kind: { case: "reasoning", value: {} } } } },
    { kind: { case: "partStarted", value: { part: 3, kind: { case: "refusal", value: {} } } } },
    { kind: { case: "partStarted", value: { part: 2, kind: { case: "text", value: {} } } } },
    { kind: { case: "toolArgumentsDelta", value: { part: 1, fragment: '{"a"' } } },
    textDelta("Let ", 2),
    { kind: { case: "reasoningDelta", value: { part: 0, text: "Hm" } } },
    textDelta("I will not.", 3),
    { kind: { case: "toolArgumentsDelta", value: { part: 1, fragment: ":1}" } } },
    textDelta("me.", 2),
    { kind: { case: "reasoningDelta", value: { part: 0, text: "." } } },
    { kind: { case: "partFinished", value: { part: 0 } } },
    completed(FinishReason.TOOL_CALLS),
  );
  assert.equal(answer.message.role, Role.ASSISTANT);
  assert.deepEqual(
    answer.message.parts.map(({ kind }) => kind.case),
    ["reasoning", "toolCall", "text", "refusal"],
  );
  assert.equal(answer.text, "Let me.");
  assert.equal(answer.refusal, "I will not.");
  assert.equal(answer.reasoning, "Hm.");
  assert.deepEqual(
    answer.toolCalls.map(({ id, name, argumentsJson }) => ({ id, name, argumentsJson })),
    [toolCall],
  );
  assert.equal(answer.generationId, "gen_9");
});

test("a finished call is taken whole, with its verdict", async (t) => {
  const whole = { id: "c", name: "f", argumentsJson: "{}", check: 2, violations: ["/a: missing"] };
  const answer = await answerOf(
    t,
    { kind: { case: "partFinished", value: { part: 0, toolCall: whole } } },
    completed(FinishReason.TOOL_CALLS),
  );
  assert.deepEqual(answer.toolCalls[0]?.violations, ["/a: missing"]);
});

test("a part of a kind that is not known is left out", async (t) => {
  const answer = await answerOf(
    t,
    { kind: { case: "partStarted", value: { part: 0 } } },
    textDelta("Hi", 1),
    completed(FinishReason.STOP),
  );
  assert.deepEqual(
    answer.message.parts.map(({ kind }) => kind.value),
    ["Hi"],
  );
});

test("what Completed brings is the answer, and not what the deltas said", async (t) => {
  const parts = [{ kind: { case: "text" as const, value: "The whole." } }];
  const answer = await answerOf(
    t,
    textDelta("A piece"),
    completed(FinishReason.STOP, { role: Role.ASSISTANT, parts }),
  );
  assert.equal(answer.text, "The whole.");
  assert.equal(answer.usage, undefined);
  assert.equal(answer.cost, undefined);
});
