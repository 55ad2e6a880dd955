"""Runs a turn: asks, shows what comes, and returns the answer."""

from sluice.aio import Client
from sluice.answers import Answer
from sluice.cli.client import Target
from sluice.cli.turn.show import Show
from sluice.metadata import Metadata
from sluice.v1 import gateway_service_pb2


async def play(
    client: Client,
    request: gateway_service_pb2.GenerateRequest,
    metadata: Metadata,
    show: Show,
    target: Target,
) -> Answer:
    """Run the turn; leaving this early, by an error or by Ctrl+C, cancels the call.

    Raises:
        SluiceError: it failed; what was shown is partial.
        BrokenPipeError: nobody reads the output any more.
    """
    async with client.generate(request, timeout=target.timeout, metadata=metadata) as stream:
        with show:
            async for event in stream:
                show.event(event)
        return await stream.collect()
