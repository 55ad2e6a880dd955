"""The client for blocking code.

with sluice.connect("127.0.0.1:50051") as client:
    for text in client.generate(sluice.prompt(model, "Hello")).text():
        print(text, end="", flush=True)
"""

from sluice.blocking.client import Client, connect
from sluice.blocking.stream import Stream
from sluice.blocking.tool_run import ToolRun

__all__ = ["Client", "Stream", "ToolRun", "connect"]
