"""The client for asyncio.

async with sluice.aio.connect("127.0.0.1:50051") as client:
    async for text in client.generate(sluice.prompt(model, "Hello")).text():
        print(text, end="", flush=True)
"""

from sluice.aio.client import Client, connect
from sluice.aio.stream import Stream
from sluice.aio.tool_run import ToolRun

__all__ = ["Client", "Stream", "ToolRun", "connect"]
