import { create } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import {
  ArgumentsCheck,
  FinishReason,
  GenerateRequestSchema,
  prompt,
  Role,
  SluiceError,
  ToolError,
  TurnLimitError,
  user,
  type Client,
  type GenerateRequest,
  type Message,
  type ToolFunction,
} from "@sluice/client";

import { called, said, started } from "./support/events.js";
import { clientOf, send, type EventInit } from "./support/gateway.js";

const request = prompt("up/m", "Weather?");
const VALID = ArgumentsCheck.VALID;

/** A client of a gateway that ends its turns with these, and the requests that it got. */
async function playing(
  t: TestContext,
  ...turns: EventInit[]
): Promise<{ client: Client; requests: GenerateRequest[] }> {
  const requests: GenerateRequest[] = [];
  const client = await clientOf(t, {
    generate(call) {
      requests.push(call.request);
      const end = turns[requests.length - 1];
      if (end) send(call, started(), end);
      call.end();
    },
  });
  return { client, requests };
}

function functionOf(name: string, run: ToolFunction["run"]): ToolFunction {
  return { name, description: `Does ${name}.`, inputSchemaJson: "{}", run };
}

function withOwnTool(): GenerateRequest {
  return create(GenerateRequestSchema, {
    model: "up/m",
    messages: [user("Pay.")],
    tools: [{ name: "own" }],
  });
}

/** Results of a message as [call, text, failed]. */
function resultsOf(message: Message | undefined): [string, string, boolean][] {
  return (message?.parts ?? []).map(({ kind }) => {
    assert.equal(kind.case, "toolResult");
    const { toolCallId, parts, isError } = kind.value;
    const texts = parts.map((part) => (part.kind.case === "text" ? part.kind.value : ""));
    return [toolCallId, texts.join(), isError];
  });
}

test("functions of a turn run at the same time, and answer in the order of the calls", async (t) => {
  const { client, requests } = await playing(
    t,
    called({ id: "1", name: "slow", check: VALID }, { id: "2", name: "fast", check: VALID }),
    said("Done."),
  );
  let release!: (text: string) => void;
  const functions = [
    functionOf("slow", () => new Promise((resolve) => (release = resolve))),
    functionOf("fast", () => {
      release("second to end");
      return "first to end";
    }),
  ];
  const run = client.runTools(request, functions);
  const answer = await run.collect();
  assert.equal(answer.text, "Done.");
  assert.deepEqual(resultsOf(requests[1]?.messages[2]), [
    ["1", "second to end", false],
    ["2", "first to end", false],
  ]);
  assert.deepEqual(
    run.messages.map(({ role }) => role),
    [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT],
  );
  assert.equal(run.answers.length, 2);
});

test("functions are added to the request's tools, and the caller's request stays as it is", async (t) => {
  const { client, requests } = await playing(t, said("Hi"));
  const own = withOwnTool();
  await client.runTools(own, [{ ...functionOf("f", () => ""), strict: true }]).collect();
  assert.deepEqual(
    requests[0]?.tools.map(({ name, description, inputSchemaJson, strict }) => ({
      name,
      description,
      inputSchemaJson,
      strict,
    })),
    [
      { name: "own", description: "", inputSchemaJson: "", strict: false },
      { name: "f", description: "Does f.", inputSchemaJson: "{}", strict: true },
    ],
  );
  assert.equal(own.tools.length, 1);
  assert.equal(own.messages.length, 1);
});

test("calls that are wrong are not run, and a ToolError is told to the model", async (t) => {
  const { client, requests } = await playing(
    t,
    called(
      { id: "1", name: "f", check: ArgumentsCheck.MALFORMED_JSON },
      {
        id: "2",
        name: "f",
        check: ArgumentsCheck.SCHEMA_VIOLATION,
        violations: ["/a: no", "/b: no"],
      },
      { id: "3", name: "g", check: ArgumentsCheck.UNKNOWN_TOOL },
      { id: "4", name: "h" },
      { id: "5", name: "f", check: VALID },
    ),
    said("Sorry."),
  );
  let runs = 0;
  const f = functionOf("f", (call) => {
    runs += 1;
    throw new ToolError(`Not ${call.id}.`);
  });
  await client.runTools(request, [f]).collect();
  assert.equal(runs, 1);
  assert.deepEqual(resultsOf(requests[1]?.messages[2]), [
    ["1", "The arguments are not valid JSON.", true],
    ["2", "The arguments do not match the schema: /a: no; /b: no", true],
    ["3", "There is no function named g.", true],
    ["4", "There is no function named h.", true],
    ["5", "Not 5.", true],
  ]);
});

test("anything else that is thrown ends the run as it is, and tells the others", async (t) => {
  const { client, requests } = await playing(
    t,
    called({ id: "1", name: "waits", check: VALID }, { id: "2", name: "breaks", check: VALID }),
  );
  let told: AbortSignal | undefined;
  const broken = new Error("Out of order.");
  const functions = [
    functionOf("waits", (_, signal) => {
      told = signal;
      return new Promise(() => undefined);
    }),
    functionOf("breaks", () => {
      throw broken;
    }),
  ];
  const run = client.runTools(request, functions);
  await assert.rejects(run.collect(), (error) => error === broken);
  assert.equal(told?.aborted, true);
  assert.equal(requests.length, 1);
  assert.deepEqual(
    run.messages.map(({ role }) => role),
    [Role.USER, Role.ASSISTANT],
  );
});

test("a call of the caller's own tool ends the run before anything is run", async (t) => {
  const { client } = await playing(
    t,
    called({ id: "1", name: "f", check: VALID }, { id: "2", name: "own", check: VALID }),
  );
  const never = functionOf("f", () => assert.fail("It was run."));
  const run = client.runTools(withOwnTool(), [never]);
  const answer = await run.collect();
  assert.deepEqual(
    answer.toolCalls.map(({ name }) => name),
    ["f", "own"],
  );
});

test("a paused turn is sent back, and turns have a limit", async (t) => {
  const paused = said("I will", FinishReason.PAUSED);
  const { client, requests } = await playing(t, paused, paused, paused);
  const run = client.runTools(request, [], { maxTurns: 2 });
  await assert.rejects(
    run.collect(),
    (error) => error instanceof TurnLimitError && error.maxTurns === 2,
  );
  assert.equal(requests.length, 2);
  assert.equal(run.answers.length, 2);
});

test("a number of turns that cannot be is refused before anything is sent", async (t) => {
  const { client, requests } = await playing(t, said("Hi"));
  for (const maxTurns of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => client.runTools(request, [], { maxTurns }), RangeError);
  }
  await client.collect(request);
  assert.equal(requests.length, 1);
});

test("cancelling reaches a run whose function hangs", async (t) => {
  for (const how of ["cancel", "signal"] as const) {
    const { client } = await playing(t, called({ id: "1", name: "hangs", check: VALID }));
    const stop = new AbortController();
    let told: AbortSignal | undefined;
    const hangs = functionOf("hangs", (_, signal) => {
      told = signal;
      if (how === "signal") stop.abort();
      else run.cancel();
      return new Promise(() => undefined);
    });
    const run = client.runTools(request, [hangs], { signal: stop.signal });
    await assert.rejects(
      run.collect(),
      (error) => error instanceof SluiceError && error.status === "CANCELLED",
    );
    assert.equal(told?.aborted, true);
    assert.equal(run.answers.length, 1);
  }
});

test("a run that is left while a function runs ends, and tells the function", async (t) => {
  const { client } = await playing(t, called({ id: "1", name: "hangs", check: VALID }));
  let tell!: (signal: AbortSignal) => void;
  const running = new Promise<AbortSignal>((resolve) => (tell = resolve));
  const hangs = functionOf("hangs", (_, signal) => {
    tell(signal);
    return new Promise(() => undefined);
  });
  const events = client.runTools(request, [hangs])[Symbol.asyncIterator]();
  for (let read = 0; read < 2; read += 1) await events.next();
  const next = events.next();
  const signal = await running;
  const end = events.return();
  await assert.rejects(
    next,
    (error) => error instanceof SluiceError && error.status === "CANCELLED",
  );
  assert.equal((await end).done, true);
  assert.equal(signal.aborted, true);
});

test("what is no text is not told to the model", async (t) => {
  for (const value of [undefined, { degrees: 21 }]) {
    const { client, requests } = await playing(t, called({ id: "1", name: "f", check: VALID }));
    const f = functionOf("f", () => value as unknown as string);
    await assert.rejects(client.runTools(request, [f]).collect(), {
      name: "TypeError",
      message: "The function f returned no text.",
    });
    assert.equal(requests.length, 1);
  }
});

test("a run that is left at the end of a turn calls nothing more", async (t) => {
  const { client, requests } = await playing(t, called({ id: "1", name: "f", check: VALID }));
  const stop = new AbortController();
  const never = functionOf("f", () => assert.fail("It was run."));
  const run = client.runTools(request, [never], { signal: stop.signal });
  await assert.rejects(
    async () => {
      for await (const { kind } of run) if (kind.case === "completed") stop.abort();
    },
    (error) => error instanceof SluiceError && error.status === "CANCELLED",
  );
  assert.equal(requests.length, 1);
});
