"""OpenAI Responses, and what speaks like it.

The reference is `openai.md` sections 5 to 9 and 12; look-alikes are mentioned in
`openai-compatible.md`.

| module       | holds                                             |
| ------------ | ------------------------------------------------- |
| dialect      | the port's implementation, joining the others     |
| encode       | our request to their JSON                         |
| items        | a conversation as their items                     |
| content      | parts of messages and of tool results             |
| decode       | their bytes to a turn, and its end                |
| events       | what each event tells the turn                    |
| turn         | an answer's items while they grow, told to a sink |
| answer       | usage, log-probs and reasons for the end          |
| wire         | their shapes as types                             |
| errors       | failures that only their response objects have    |
| capabilities | what the dialect can say                          |

Rate-limit headers, the model list and failures of an HTTP status are the family's
(`providers.openai_family`).
"""

from sluice_server.providers.dialects.openai_responses.dialect import OpenAiResponses

__all__ = ["OpenAiResponses"]
