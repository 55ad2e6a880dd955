"""OpenAI Chat Completions, and everything that speaks like it.

The reference is `openai.md` sections 3, 4, 9 and 10, and `openai-compatible.md`
for the look-alikes, whose differences are switches in `quirks`.

| module       | holds                                              |
| ------------ | -------------------------------------------------- |
| dialect      | the port's implementation, joining the others      |
| quirks       | named switches for look-alikes                     |
| capabilities | what follows from them for a caller                |
| encode       | our request to their JSON                          |
| options      | its sampling, limits and reasoning                 |
| messages     | its conversation                                   |
| media        | images, sounds and documents in it                 |
| reasoning    | reasoning of earlier turns in it                   |
| decode       | their bytes to calls on a sink                     |
| answer       | members of an answer that need more than a look    |
| details      | OpenRouter's fragments of reasoning, put together  |
| think_tags   | `<think>` text, told apart from the answer         |
| surrogates   | characters cut in half between two chunks          |
| cost         | prices in an answer                                |
| wire         | their shapes as types                              |
| errors       | their failures to our taxonomy                     |
| limits       | their rate-limit headers                           |
| models       | their model lists                                  |
"""

from sluice_server.providers.dialects.openai_chat.dialect import OpenAiChat
from sluice_server.providers.dialects.openai_chat.quirks import Quirks

__all__ = ["OpenAiChat", "Quirks"]
