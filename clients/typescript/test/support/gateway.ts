/** A gateway inside of the test, that says what it is told to. */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescService,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
} from "#gen/grpc_health/v1/health_pb.js";
import {
  connect,
  GatewayService,
  GenerateResponseSchema,
  type Client,
  type ConnectOptions,
  type GenerateRequest,
  type GenerateResponse,
  type GetMetricsRequest,
  type GetMetricsResponse,
  type GetRateLimitsRequest,
  type GetRateLimitsResponse,
  type ListModelsRequest,
  type ListModelsResponse,
} from "@sluice/client";
import type { TestContext } from "node:test";

export type GenerateCall = ServerWritableStream<GenerateRequest, GenerateResponse>;
export type EventInit = NonNullable<
  MessageInitShape<typeof GenerateResponseSchema>["events"]
>[number];

type Unary<Request, Response> = (
  call: ServerUnaryCall<Request, Response>,
  callback: sendUnaryData<Response>,
) => void;

export interface Handlers {
  generate?: (call: GenerateCall) => void | Promise<void>;
  listModels?: Unary<ListModelsRequest, ListModelsResponse>;
  getRateLimits?: Unary<GetRateLimitsRequest, GetRateLimitsResponse>;
  getMetrics?: Unary<GetMetricsRequest, GetMetricsResponse>;
  /** Of gRPC's health service. */
  check?: Unary<HealthCheckRequest, HealthCheckResponse>;
}

/** Serves until the test ends, and returns the address. */
export async function serve(test: TestContext, handlers: Handlers): Promise<string> {
  const server = new Server();
  for (const service of [GatewayService, Health]) {
    server.addService(definitionOf(service), handlers as UntypedServiceImplementation);
  }
  test.after(() => {
    server.forceShutdown();
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return `127.0.0.1:${port}`;
}

/** Serves, and connects a client to it. */
export async function clientOf(
  test: TestContext,
  handlers: Handlers,
  options: ConnectOptions = {},
): Promise<Client> {
  const client = connect(await serve(test, handlers), options);
  test.after(() => {
    client.close();
  });
  return client;
}

/** Sends events in one message. */
export function send(call: GenerateCall, ...events: EventInit[]): boolean {
  return call.write(create(GenerateResponseSchema, { events }));
}

/** Ends a call with a status other than OK. */
export function fail(call: GenerateCall, code: number, details: string, metadata?: Metadata): void {
  call.emit("error", Object.assign(new Error(details), { code, details, metadata }));
}

function definitionOf(service: DescService): ServiceDefinition {
  const serializer = (schema: DescMessage) => (message: Message) =>
    Buffer.from(toBinary(schema, message));
  const parser = (schema: DescMessage) => (bytes: Buffer) => fromBinary(schema, bytes);
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: false,
        responseStream: method.methodKind === "server_streaming",
        requestSerialize: serializer(method.input),
        requestDeserialize: parser(method.input),
        responseSerialize: serializer(method.output),
        responseDeserialize: parser(method.output),
      },
    ]),
  );
}
