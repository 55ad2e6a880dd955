"""Anthropic Messages, at Anthropic and on Vertex AI.

The reference is `anthropic.md`.

| module       | holds                                            |
| ------------ | ------------------------------------------------ |
| dialect      | the port's implementation, joining the others    |
| surface      | what differs between Anthropic and Vertex AI     |
| capabilities | what is carried, feature by feature              |
| encode       | our request to their JSON                        |
| conversation | its messages                                     |
| media        | images and documents                             |
| reasoning    | thinking and effort, by what a model takes       |
| caching      | cache hints to breakpoints                       |
| decode       | their bytes to calls on a sink                   |
| blocks       | content blocks while they grow                   |
| answer       | usage and finish reasons                         |
| wire         | their shapes as types                            |
| errors       | their failures to our taxonomy                   |
| limits       | their rate-limit headers                         |
| models       | their model list                                 |
"""

from sluice_server.providers.dialects.anthropic.dialect import AnthropicMessages
from sluice_server.providers.dialects.anthropic.surface import ANTHROPIC, Surface, vertex_surface

__all__ = ["ANTHROPIC", "AnthropicMessages", "Surface", "vertex_surface"]
