"""Asks a gateway for a sentence, then lets its model call a function.

    example.py [ADDRESS [MODEL]]

A token comes from SLUICE_TOKEN.
"""

import os
import sys

import sluice
from sluice.v1 import content_pb2, event_pb2

WEATHER_SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'


def weather(_: content_pb2.ToolCall) -> str:
    """Answer the model's call; its arguments are in `arguments_json`."""
    return "21 °C, sunny"


def show(question: str, stream: sluice.Stream) -> None:
    """Print what comes, as it comes."""
    print(f"> {question}")
    with stream:
        for event in stream:
            match event.WhichOneof("kind"):
                case "text_delta":
                    print(event.text_delta.text, end="", flush=True)
                case "part_finished" if event.part_finished.HasField("tool_call"):
                    call = event.part_finished.tool_call
                    print(f"{call.name}({call.arguments_json})")
                case "part_finished":
                    print()
                case "completed":
                    print(bill(event.completed))
                case _:
                    pass


def bill(turn: event_pb2.Completed) -> str:
    """Return the tokens and the money; neither is always known."""
    usage, cost = turn.usage, "cost unknown"
    tokens_in = usage.input_tokens if usage.HasField("input_tokens") else "?"
    tokens_out = usage.output_tokens if usage.HasField("output_tokens") else "?"
    if turn.HasField("cost"):
        cost = f"${turn.cost.usd_nanos / 1e9:.6f}"
    return f"[{tokens_in} tokens in, {tokens_out} out, {cost}]"


def main(address: str = "127.0.0.1:50051", model: str = "local/smollm2-135m-instruct") -> None:
    """Ask both questions."""
    get_weather = sluice.Function(
        "get_weather", "Current weather of a city.", WEATHER_SCHEMA, weather
    )
    with sluice.connect(address, token=os.environ.get("SLUICE_TOKEN")) as client:
        question = "Write one sentence about rivers."
        show(question, client.generate(sluice.prompt(model, question)))
        question = "What is the weather in Paris?"
        show(question, client.run_tools(sluice.prompt(model, question), [get_weather]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except sluice.SluiceError as error:
        later = "" if error.retry_delay is None else f"; try again in {error.retry_delay:g} s"
        sys.exit(f"{error}{later}")
