"""Google's Gemini API, generateContent, on three surfaces.

The reference is `gemini.md` sections 1 to 8. The Developer API, Vertex AI and Code
Assist speak the same inner JSON; what differs in transport is a `Surface`.

| module       | holds                                                |
| ------------ | ---------------------------------------------------- |
| dialect      | the port's implementation, joining the others        |
| surface      | paths, envelope and authorization of each surface    |
| encode       | our request to their JSON: tools, choice, format     |
| options      | our options to generationConfig                      |
| contents     | a conversation as contents                           |
| parts        | single parts: media, calls, results, opaque state    |
| decode       | their chunks to calls on a sink                      |
| calls        | function calls of an answer, streamed arguments too  |
| partial_args | arguments that arrive as values at JSON paths        |
| bodies       | bodies that are no event stream, and the end of all  |
| array        | a JSON array, element by element as it arrives       |
| answer       | finish reasons, token counts, log-probs              |
| wire         | their shapes as types                                |
| errors       | their failures to our taxonomy                       |
| models       | the model list                                       |
| capabilities | what each surface carries                            |
"""

from sluice_server.providers.dialects.gemini.dialect import Gemini
from sluice_server.providers.dialects.gemini.surface import (
    DEVELOPER_API,
    Surface,
    code_assist,
    vertex,
)

__all__ = ["DEVELOPER_API", "Gemini", "Surface", "code_assist", "vertex"]
