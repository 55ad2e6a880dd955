// Calls Generate with gRPC's own library for Node, as tests/support/stock_clients.py says.
//
// Arguments: the channel's target, its options as JSON, the folder with the contract.
// One JSON command per line on standard input: {id, request, timeout_ms} starts a call,
// {cancel: id} cancels it. One JSON line per event on standard output: {id, message} for
// each message, {id, end} for the status.
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const [target, options, contract] = process.argv.slice(2);
const definition = loadSync("sluice/v1/gateway_service.proto", {
  includeDirs: [contract],
  keepCase: true,
  enums: String,
  oneofs: true,
});
const { GatewayService } = grpc.loadPackageDefinition(definition).sluice.v1;
const gateway = new GatewayService(target, grpc.credentials.createInsecure(), JSON.parse(options));
const calls = new Map();
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");

function start({ id, request, timeout_ms: timeout }) {
  const call = gateway.Generate(request, timeout ? { deadline: Date.now() + timeout } : {});
  calls.set(id, call);
  call.on("data", (message) => {
    const texts = message.events.map((event) => event.text_delta?.text ?? "");
    const complete = message.events.some((event) => event.kind === "completed");
    say({ id, message: { text: texts.join(""), complete } });
  });
  // The status says the same, and more.
  call.on("error", () => {});
  call.on("status", ({ code, details, metadata }) => {
    calls.delete(id);
    const [pushback = null] = metadata.get("grpc-retry-pushback-ms");
    say({ id, end: { code: grpc.status[code], details, pushback } });
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if ("cancel" in command) calls.get(command.cancel)?.cancel();
  else start(command);
}
gateway.close();
