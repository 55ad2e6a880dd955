"""A configured provider: a dialect, an address and connections, joined.

Knows nothing of retries, limits or which credential to use; all of that is
decided by whoever calls it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

import sluice_server
from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError, UpstreamError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Dialect, EncodedRequest
from sluice_server.providers.key_status import KeyLimit, KeyStatus
from sluice_server.providers.model_pages import NextPage, PagedModels
from sluice_server.providers.transport import ERROR_BODY_BYTES, HttpClient, Response

MODEL_LIST_BYTES = 16 * 1024 * 1024
"""Largest model list that is read, all its pages together. The largest known is OpenRouter's, with
1 MiB."""

MODEL_LIST_PAGES = 50
"""Pages of a model list that are asked for. Most have a thousand entries."""

_NOT_FOR_YOU = frozenset({403, 404})

_MAX_PREPARED = 64

_COMMON_HEADERS = (
    ("user-agent", f"sluice/{sluice_server.__version__}"),
    # Compressed event streams arrive late and in lumps.
    ("accept-encoding", "identity"),
)
_GENERATE_HEADERS = (
    *_COMMON_HEADERS,
    ("accept", "text/event-stream"),
    ("content-type", "application/json"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a provider may stay silent, in seconds."""

    connect: float
    first_output: float
    idle: float


class Provider:
    """One upstream under its configured name."""

    def __init__(
        self,
        *,
        name: str,
        dialect: Dialect,
        base_url: str,
        headers: Mapping[str, str],
        patience: Patience,
        models: Sequence[str] | None,
        dialects_by_prefix: Mapping[str, Dialect] | None = None,
        reuse_connections: bool = True,
        kind: str = "",
        trace_context: bool = False,
        ca_file: Path | None = None,
    ) -> None:
        """Make it.

        Args:
            name: By the configuration.
            dialect: What is spoken.
            base_url: Where it is.
            headers: Sent with every request.
            patience: How long it may stay silent.
            models: The allow-list; None means any model.
            dialects_by_prefix: What is spoken instead for models whose ids begin so.
            reuse_connections: Whether connections are kept.
            kind: By the configuration's word.
            trace_context: Whether it gets to know which trace a call belongs to.
            ca_file: Authorities that are trusted in place of the public ones.
        """
        self.name = name
        self.kind = kind
        self.trace_context = trace_context
        self._dialect = dialect
        self._by_prefix = dialects_by_prefix or {}
        self.patience = patience
        self.models = tuple(models) if models is not None else None
        """The allow-list; None means any model."""
        url = httpx.URL(base_url)
        self.address = url.host
        self.port = url.port or (443 if url.scheme == "https" else 80)
        self.base_url = base_url.rstrip("/")
        """Where it is called; paths are appended."""
        self._urls: dict[str, httpx.URL] = {}
        self._headers = [*headers.items()]
        self._prepared: dict[tuple[Dialect, str | None], httpx.Headers] = {}
        self._http = HttpClient(
            base_url, connect_seconds=patience.connect, reuse=reuse_connections, ca_file=ca_file
        )

    def dialect_of(self, model: str) -> Dialect:
        """Return what the provider speaks for a model."""
        for prefix, dialect in self._by_prefix.items():
            if model.startswith(prefix):
                return dialect
        return self._dialect

    async def generate(
        self,
        encoded: EncodedRequest,
        *,
        dialect: Dialect,
        secret: str | None,
        headers: Sequence[tuple[str, str]],
        keep_secret: bool = True,
    ) -> Response:
        """Send a turn; returns with the response's head, whatever its status.

        Args:
            encoded: The turn.
            dialect: What it was encoded by.
            secret: Proof of who calls; None for none.
            headers: Further ones, of this call alone.
            keep_secret: Whether headers with the secret may be kept for the next call.

        Raises:
            UpstreamError: there is no response.
        """
        return await self._http.send(
            "POST",
            self._url(encoded.path),
            self._generate_headers(dialect, secret, headers, keep=keep_secret),
            encoded.body,
        )

    async def list_models(self, *, secret: str | None) -> list[model_pb2.Model]:
        """Ask for the model list, page after page; a model that comes twice counts once.

        Raises:
            UpstreamError: the provider failed, sent no list, or one without an end.
        """
        dialect = self._dialect
        paged = dialect if isinstance(dialect, PagedModels) else None
        found: dict[str, model_pb2.Model] = {}
        room = MODEL_LIST_BYTES
        page: NextPage | None = NextPage(dialect.models_path())
        asked: set[str] = set()
        # What leads back to a page that was read has no more to tell.
        while page is not None and page.path not in asked:
            if len(asked) == MODEL_LIST_PAGES:
                raise ProviderProtocolError("The provider's model list does not end.")
            asked.add(page.path)
            try:
                body = await self._models_page(page.path, secret, room)
            except UpstreamError as error:
                if page.optional and error.http_status in _NOT_FOR_YOU:
                    break
                raise
            room -= len(body)
            for model in dialect.parse_models(body, provider=self.name):
                found.setdefault(model.id, model)
            page = paged.next_models_page(page.path, body) if paged else None
        return list(found.values())

    async def _models_page(self, path: str, secret: str | None, room: int) -> bytes:
        async with await self._get(path, secret) as response:
            if response.status != 200:
                body = await response.read(ERROR_BODY_BYTES)
                raise self._dialect.error(response.status, response.headers, body)
            body = await response.read(room)
        if len(body) == room:
            raise ProviderProtocolError("The provider's model list is too large.")
        return body

    @property
    def lists_models(self) -> bool:
        """Whether the provider has a model list to ask for."""
        return self._dialect.capabilities[Feature.MODEL_LIST] is not Support.NO

    async def knock(self, *, secret: str | None) -> None:
        """Ask for the model list and look at the answer's head only: is somebody there?

        Raises:
            UpstreamError: the provider failed, or refused; its `http_status` says which.
        """
        async with await self._get(self._dialect.models_path(), secret) as response:
            if not 200 <= response.status < 300:
                body = await response.read(ERROR_BODY_BYTES)
                raise self._dialect.error(response.status, response.headers, body)

    @property
    def has_key_page(self) -> bool:
        """Whether the provider tells about a key on a page of its own."""
        dialect = self._dialect
        return isinstance(dialect, KeyStatus) and dialect.key_status_path() is not None

    async def key_limits(self, *, secret: str) -> list[KeyLimit]:
        """Ask for the key's own page; without one there is nothing to tell.

        Raises:
            UpstreamError: the provider failed, or sent no such page.
        """
        dialect = self._dialect
        path = dialect.key_status_path() if isinstance(dialect, KeyStatus) else None
        if path is None or not isinstance(dialect, KeyStatus):
            return []
        async with await self._get(path, secret) as response:
            body = await response.read(ERROR_BODY_BYTES)
            if response.status != 200:
                raise self._dialect.error(response.status, response.headers, body)
        return dialect.parse_key_status(body, now=time.time())

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _get(self, path: str, secret: str | None) -> Response:
        headers = httpx.Headers([*_COMMON_HEADERS, *self._own_headers(self._dialect, secret)])
        return await self._http.send("GET", self._url(path), headers)

    def _url(self, path: str) -> httpx.URL:
        url = self._urls.get(path)
        if url is None:
            # Bounded, since paths may hold the model, which is the caller's word.
            if len(self._urls) >= _MAX_PREPARED:
                self._urls.clear()
            url = self._urls[path] = httpx.URL(self.base_url + path)
        return url

    def _generate_headers(
        self,
        dialect: Dialect,
        secret: str | None,
        headers: Sequence[tuple[str, str]],
        *,
        keep: bool,
    ) -> httpx.Headers:
        if not keep:
            return httpx.Headers(
                [*_GENERATE_HEADERS, *self._own_headers(dialect, secret), *headers]
            )
        common = self._prepared.get((dialect, secret))
        if common is None:
            common = httpx.Headers([*_GENERATE_HEADERS, *self._own_headers(dialect, secret)])
            # Bounded, for secrets that change (access tokens).
            if len(self._prepared) >= _MAX_PREPARED:
                self._prepared.clear()
            self._prepared[dialect, secret] = common
        if not headers:
            return common
        return httpx.Headers([*common.multi_items(), *headers])

    def _own_headers(self, dialect: Dialect, secret: str | None) -> list[tuple[str, str]]:
        """Return what dialect, operator and credential want to be sent; the operator wins."""
        configured = {name.lower() for name, _ in self._headers}
        fixed = [pair for pair in dialect.headers.items() if pair[0].lower() not in configured]
        return [*fixed, *self._headers, *([dialect.authorize(secret)] if secret else [])]
