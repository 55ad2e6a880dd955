import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { Client as GrpcClient } from "@grpc/grpc-js";

import type { Answer } from "./answer.js";
import { Connection } from "./connection.js";
import { Health, HealthCheckRequestSchema } from "./gen/grpc_health/v1/health_pb.js";
import type { HealthCheckResponse_ServingStatus as ServingStatus } from "./gen/grpc_health/v1/health_pb.js";
import {
  GatewayService,
  GenerateRequestSchema,
  GetMetricsRequestSchema,
  GetRateLimitsRequestSchema,
  ListModelsRequestSchema,
  type GetMetricsResponse,
  type GetRateLimitsResponse,
  type ListModelsResponse,
} from "./gen/sluice/v1/gateway_service_pb.js";
import type { Model, ModelFilterSchema } from "./gen/sluice/v1/model_pb.js";
import { clientMetadata } from "./metadata.js";
import {
  channelCredentials,
  channelOptions,
  type CallOptions,
  type ConnectOptions,
} from "./options.js";
import { callUnary } from "./rpc.js";
import { ToolRun, type RunOptions } from "./run.js";
import type { Stream } from "./stream.js";
import type { ToolFunction } from "./tools.js";
import { Turn } from "./turn.js";

/** A message that was made with `create`, or the fields of one. */
type Init<Schema extends DescMessage> = MessageInitShape<Schema>;

/** Options of {@link Client.models}. */
export interface ModelsOptions extends CallOptions {
  /** Most models per page; the gateway's own number by default. */
  pageSize?: number | undefined;
}

/**
 * Opens a client. Nothing is sent before its first call.
 *
 * @param address `host:port`, or a target of gRPC's name resolution such as
 * `dns:///sluice.default.svc:50051`.
 */
export function connect(address: string, options: ConnectOptions = {}): Client {
  return new Client(address, options);
}

/** A gateway. All calls fail with a {@link SluiceError}. */
export class Client {
  readonly #connection: Connection;

  /** See {@link connect}. */
  constructor(address: string, { token, tls, channelOptions: own }: ConnectOptions = {}) {
    // The library would look for a host of that name, and tell each call that there is none.
    if (/^https?:/i.test(address)) {
      throw new TypeError("The address is a URL; it must be host:port, and `tls` switches TLS on.");
    }
    const metadata = clientMetadata(token);
    this.#connection = new Connection(
      new GrpcClient(address, channelCredentials(tls), channelOptions(own)),
      metadata,
    );
  }

  /** Starts a turn and returns its events. */
  generate(request: Init<typeof GenerateRequestSchema>, options: CallOptions = {}): Stream {
    return new Turn(this.#connection, create(GenerateRequestSchema, request), options);
  }

  /** Makes a turn and returns the whole answer. */
  async collect(
    request: Init<typeof GenerateRequestSchema>,
    options: CallOptions = {},
  ): Promise<Answer> {
    return this.generate(request, options).collect();
  }

  /**
   * Makes turns, and calls the functions that the model calls, until the model is done.
   *
   * The functions are added to the request's own tools, and those of a turn run at the same time.
   * The run ends without more ado at a turn that calls one of the request's tools for which there
   * is no function: the calls of that turn are the caller's. It throws {@link TurnLimitError} when
   * all turns that it may make are made, and whatever a function threw but a {@link ToolError}.
   */
  runTools(
    request: Init<typeof GenerateRequestSchema>,
    functions: readonly ToolFunction[],
    options: RunOptions = {},
  ): ToolRun {
    const first = create(GenerateRequestSchema, request);
    return new ToolRun(this.#connection, first, functions, options);
  }

  /** One page of the models that can be called. */
  listModels(
    request: Init<typeof ListModelsRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<ListModelsResponse> {
    const message = create(ListModelsRequestSchema, request);
    return callUnary(this.#connection, GatewayService.method.listModels, message, options);
  }

  /** All models that match, page after page as they are read; a timeout holds for each page. */
  async *models(
    filter: Init<typeof ModelFilterSchema> = {},
    { pageSize = 0, ...options }: ModelsOptions = {},
  ): AsyncGenerator<Model, void, undefined> {
    let pageToken = "";
    do {
      const page = await this.listModels({ filter, pageSize, pageToken }, options);
      yield* page.models;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** How much room is left upstream. */
  getRateLimits(
    request: Init<typeof GetRateLimitsRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<GetRateLimitsResponse> {
    const message = create(GetRateLimitsRequestSchema, request);
    return callUnary(this.#connection, GatewayService.method.getRateLimits, message, options);
  }

  /** Counters, latencies and health since the replica started. */
  getMetrics(
    request: Init<typeof GetMetricsRequestSchema> = {},
    options: CallOptions = {},
  ): Promise<GetMetricsResponse> {
    const message = create(GetMetricsRequestSchema, request);
    return callUnary(this.#connection, GatewayService.method.getMetrics, message, options);
  }

  /** Asks gRPC's health service; `""` is the whole server. */
  async health(service = "", options: CallOptions = {}): Promise<ServingStatus> {
    const request = create(HealthCheckRequestSchema, { service });
    const { status } = await callUnary(this.#connection, Health.method.check, request, options);
    return status;
  }

  /** Ends the calls under way, and whatever is begun later, with CANCELLED. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
