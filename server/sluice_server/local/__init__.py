"""The embedded model: llama.cpp's OpenAI-compatible server in a supervised child process.

`model` says what to run and finds the packaged model file; `supervisor` starts the child, keeps it
alive and reports its state; `child` is the program of that other process. Not here: how requests
reach the model (it is served through the OpenAI dialect like any other provider) and what its
health means for the gateway.

The child imports this file too: nothing heavy may be imported here.
"""

from sluice_server.local.model import (
    TOOL_CALL_PREFILL,
    LocalModel,
    LocalModelMissingError,
)
from sluice_server.local.supervisor import EmbeddedModel, LocalState, RestartPolicy

__all__ = [
    "TOOL_CALL_PREFILL",
    "EmbeddedModel",
    "LocalModel",
    "LocalModelMissingError",
    "LocalState",
    "RestartPolicy",
]
