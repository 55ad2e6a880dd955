"""Images and documents as content blocks (`anthropic.md` section 3.1). Pure."""

from __future__ import annotations

from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.omissions import Omissions

_IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF = "application/pdf"


def media_block(media: content_pb2.Media, path: str, omissions: Omissions) -> dict[str, Any]:
    """Return an image or document block; `path` is the media's.

    Raises:
        UnsupportedFeatureError: another kind of media, or a source that it cannot have.
    """
    mime_type = media.mime_type.partition(";")[0].strip().lower()
    if mime_type.startswith("image/"):
        if media.name:
            omissions.leave_out(f"{path}.name")
        return {"type": "image", "source": _image_source(media, mime_type, path)}
    if mime_type.startswith(("audio/", "video/")):
        raise UnsupportedFeatureError(path, "Claude takes images and documents only.")
    block = {"type": "document", "source": _document_source(media, mime_type, path)}
    if media.name:
        block["title"] = media.name
    return block


def _image_source(media: content_pb2.Media, mime_type: str, path: str) -> dict[str, Any]:
    source = media.WhichOneof("source")
    if source == "file_id":
        return {"type": "file", "file_id": media.file_id}
    if source == "uri":
        return _url(media.uri, path)
    known = _IMAGE_TYPES.get(mime_type)
    if known is None:
        raise UnsupportedFeatureError(
            f"{path}.mime_type", "Claude takes images as JPEG, PNG, GIF or WebP."
        )
    return {"type": "base64", "media_type": known, "data": bodies.base64_data(media)}


def _document_source(media: content_pb2.Media, mime_type: str, path: str) -> dict[str, Any]:
    source = media.WhichOneof("source")
    if source == "file_id":
        return {"type": "file", "file_id": media.file_id}
    if mime_type == _PDF:
        if source == "uri":
            return _url(media.uri, path)
        return {"type": "base64", "media_type": _PDF, "data": bodies.base64_data(media)}
    if not mime_type.startswith("text/"):
        raise UnsupportedFeatureError(
            f"{path}.mime_type", "Claude takes documents as PDF or plain text."
        )
    if source == "uri":
        raise UnsupportedFeatureError(
            f"{path}.uri", "Claude fetches images and PDF only; send the text itself."
        )
    try:
        text = media.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnsupportedFeatureError(f"{path}.data", "Send text documents in UTF-8.") from None
    # Whatever the text is written in, only this media type is taken.
    return {"type": "text", "media_type": "text/plain", "data": text}


def _url(uri: str, path: str) -> dict[str, Any]:
    if not uri.lower().startswith("https://"):
        raise UnsupportedFeatureError(f"{path}.uri", "Claude fetches addresses with https only.")
    return {"type": "url", "url": uri}
