"""OpenAI Chat Completions, and everything that speaks like it.

The reference is `openai.md` sections 3, 4, 9 and 10, and `openai-compatible.md`
for the look-alikes, whose differences are switches in `quirks`.

| module   | holds                                         |
| -------- | --------------------------------------------- |
| dialect  | the port's implementation, joining the others |
| quirks   | named switches for look-alikes                |
| encode   | our request to their JSON                     |
| decode   | their bytes to calls on a sink                |
| wire     | their shapes as types                         |
| errors   | their failures to our taxonomy                |
| limits   | their rate-limit headers                      |
"""

from sluice_server.providers.dialects.openai_chat.dialect import OpenAiChat
from sluice_server.providers.dialects.openai_chat.quirks import Quirks

__all__ = ["OpenAiChat", "Quirks"]
