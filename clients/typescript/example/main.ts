// Shows a stream of events, then a run of tools, by the same code: main [ADDRESS [MODEL]].
import { connect, prompt, SluiceError, type Completed, type Stream } from "@sluice/client";

const [address = "127.0.0.1:50051", model = "local/smollm2-135m-instruct"] = process.argv.slice(2);
const show = (text: string): boolean => process.stdout.write(text);

async function showAll(question: string, stream: Stream): Promise<void> {
  show(`> ${question}\n`);
  for await (const { kind } of stream) {
    switch (kind.case) {
      case "textDelta":
        show(kind.value.text);
        break;
      case "partFinished": {
        const call = kind.value.toolCall;
        show(call ? `${call.name}(${call.argumentsJson})\n` : "\n");
        break;
      }
      case "completed":
        show(`[${sums(kind.value)}]\n`);
        break;
    }
  }
}

function sums({ usage, cost }: Completed): string {
  const money = cost ? `$${(Number(cost.usdNanos) / 1e9).toFixed(6)}` : "cost unknown";
  return `${usage?.inputTokens ?? "?"} tokens in, ${usage?.outputTokens ?? "?"} out, ${money}`;
}

const weather = {
  name: "get_weather",
  description: "Current weather of a city.",
  inputSchemaJson: '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
  run: () => "21 °C, sunny",
};

const client = connect(address, { token: process.env.SLUICE_TOKEN });
try {
  const rivers = "Write one sentence about rivers.";
  await showAll(rivers, client.generate(prompt(model, rivers)));
  const paris = "What is the weather in Paris?";
  await showAll(paris, client.runTools(prompt(model, paris), [weather]));
} catch (error) {
  if (!(error instanceof SluiceError)) throw error;
  const { status, reason, message, retryDelayMs } = error;
  const again = retryDelayMs === undefined ? "" : `; try again in ${retryDelayMs / 1000} s`;
  console.error(`${reason || status}: ${message}${again}`);
  process.exitCode = 1;
} finally {
  client.close();
}
