/** The calls that the driver can be told to make. */
import { fromJson, toJson, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  EventSchema,
  GenerateRequestSchema,
  GetMetricsRequestSchema,
  GetMetricsResponseSchema,
  GetRateLimitsRequestSchema,
  GetRateLimitsResponseSchema,
  ListModelsRequestSchema,
  ServingStatus,
  type CallOptions,
  type Client,
  type Event,
} from "@sluice/client";

import { functionOf } from "./functions.js";
import type { Order } from "./order.js";
import { answerJson, runJson, type Line } from "./report.js";

/** A call that has begun. */
interface Begun {
  lines: AsyncIterable<Line>;
  /** Of a run: what there is to say once it is over, however it ended. */
  summary?: () => Line;
}

type Begin = (client: Client, order: Order, options: CallOptions) => Begun;

export const calls: ReadonlyMap<string, Begin> = new Map<string, Begin>([
  [
    "generate",
    (client, order, options) => ({
      lines: mapped(client.generate(requestOf(GenerateRequestSchema, order), options), eventLine),
    }),
  ],
  [
    "text",
    (client, order, options) => {
      const stream = client.generate(requestOf(GenerateRequestSchema, order), options);
      return { lines: mapped(stream.text(), (text) => ({ text })) };
    },
  ],
  [
    "collect",
    (client, order, options) => {
      const answer = client.collect(requestOf(GenerateRequestSchema, order), options);
      return { lines: one(answer, (it) => ({ answer: answerJson(it) })) };
    },
  ],
  [
    "run_tools",
    (client, order, options) => {
      const request = requestOf(GenerateRequestSchema, order);
      const functions = (order.functions ?? []).map(functionOf);
      const run = client.runTools(request, functions, { ...options, maxTurns: order.max_turns });
      return { lines: mapped(run, eventLine), summary: () => ({ run: runJson(run) }) };
    },
  ],
  [
    "models",
    (client, order, options) => {
      const { filter, pageSize } = requestOf(ListModelsRequestSchema, order);
      const models = all(client.models(filter, { ...options, pageSize }));
      return { lines: one(models, (them) => ({ models: them.map(({ name }) => name) })) };
    },
  ],
  [
    "get_rate_limits",
    (client, order, options) => {
      const request = requestOf(GetRateLimitsRequestSchema, order);
      const response = client.getRateLimits(request, options);
      return { lines: one(response, (it) => responseLine(GetRateLimitsResponseSchema, it)) };
    },
  ],
  [
    "get_metrics",
    (client, order, options) => {
      const request = requestOf(GetMetricsRequestSchema, order);
      const response = client.getMetrics(request, options);
      return { lines: one(response, (it) => responseLine(GetMetricsResponseSchema, it)) };
    },
  ],
  [
    "health",
    (client, order, options) => {
      const status = client.health(order.service, options);
      return { lines: one(status, (it) => ({ health: ServingStatus[it] })) };
    },
  ],
]);

function requestOf<Schema extends DescMessage>(
  schema: Schema,
  { request = {} }: Order,
): MessageShape<Schema> {
  return fromJson(schema, request);
}

function eventLine(event: Event): Line {
  return { event: toJson(EventSchema, event) };
}

function responseLine<Schema extends DescMessage>(
  schema: Schema,
  response: MessageShape<Schema>,
): Line {
  return { response: toJson(schema, response) };
}

async function* mapped<Seen>(
  all: AsyncIterable<Seen>,
  lineOf: (seen: Seen) => Line,
): AsyncGenerator<Line> {
  for await (const seen of all) yield lineOf(seen);
}

async function* one<Seen>(seen: Promise<Seen>, lineOf: (seen: Seen) => Line): AsyncGenerator<Line> {
  yield lineOf(await seen);
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}
