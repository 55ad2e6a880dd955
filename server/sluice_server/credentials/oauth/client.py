"""How a client shows itself to a token endpoint, and what it adds to each request.

Plain data without the machinery of settings, so that another process can be given it
and can start quickly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sluice_server.config.oauth import OAuth


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. What the members mean stands in the settings of the same names."""

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_auth: Literal["body", "basic"] = "body"
    body: Literal["form", "json"] = "form"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str | None = None

    @classmethod
    def of(cls, settings: OAuth) -> Client:
        """Return the client that the settings describe, its secrets in the clear."""
        secret = settings.client_secret
        return cls(
            client_id=settings.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            client_auth=settings.client_auth,
            body=settings.body,
            headers={name: value.get_secret_value() for name, value in settings.headers.items()},
            fields={name: value.get_secret_value() for name, value in settings.fields.items()},
            ca_file=None if settings.ca_file is None else str(settings.ca_file),
        )
