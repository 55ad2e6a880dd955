"""Serves the status page: `/`, what it loads from `/assets/`, and `/status.json`.

Everything comes from this server, and is said to by headers, so that a browser runs and
asks nothing else. What is in the document is `document`'s business.
"""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import web

from sluice_server.edge.page.document import Documents

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # No text becomes markup, whatever a script does with it.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy of the page."""

START = "index.html"

_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Page:
    """The page and its document."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        # Read once: they are small, and the disk is slower than the loop may wait.
        folder = resources.files(__package__) / "assets"
        self._assets = {
            entry.name: _Asset(entry.name, entry.read_bytes()) for entry in folder.iterdir()
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add its routes, for GET and HEAD."""
        router.add_get("/", self._start)
        router.add_get("/assets/{name}", self._asset)
        router.add_get("/status.json", self._status)

    async def _start(self, request: web.Request) -> web.Response:
        return self._assets[START].answer(request)

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return asset.answer(request)

    async def _status(self, request: web.Request) -> web.Response:
        document = await self._documents.get()
        headers = {"cache-control": "no-store", "vary": "accept-encoding"}
        body = document.plain
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            body = document.zipped
        return web.Response(body=body, content_type="application/json", headers=headers)


class _Asset:
    """One file of the page."""

    def __init__(self, name: str, body: bytes) -> None:
        self._body = body
        self._type = _TYPES["." + name.rpartition(".")[2]]
        self._tag = hashlib.sha256(body).hexdigest()[:32]

    def answer(self, request: web.Request) -> web.Response:
        """Send the file, or say that the browser has it already."""
        known = any(tag.value in {self._tag, "*"} for tag in request.if_none_match or ())
        response = web.Response(
            status=304 if known else 200,
            body=None if known else self._body,
            content_type=self._type,
            charset="utf-8",
        )
        # An upgrade changes names of nothing: ask each time, and mostly hear that
        # nothing changed.
        response.headers["cache-control"] = "no-cache"
        response.headers["content-security-policy"] = POLICY
        response.etag = self._tag
        return response
