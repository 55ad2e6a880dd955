"""Images, sounds and documents as content parts (`openai.md` section 3.1). Pure.

Which of them a provider takes, and in which form, are its quirks.
"""

from __future__ import annotations

from typing import Any

from sluice.v1 import content_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.openai_family.audio import FORMATS


def media_part(media: content_pb2.Media, path: str, quirks: Quirks) -> dict[str, Any]:
    """Return the content part of a medium; `path` is its field in the request.

    Raises:
        UnsupportedFeatureError: the provider does not take it, or not in this form.
    """
    kind = media.mime_type.lower().partition("/")[0]
    if kind == "image" and media.WhichOneof("source") != "file_id":
        return _image(media, path, quirks)
    if kind == "audio":
        return _audio(media, path, quirks)
    if kind == "video":
        if not quirks.video or media.WhichOneof("source") == "file_id":
            raise UnsupportedFeatureError(path, "This provider takes no such video.")
        return {"type": "video_url", "video_url": {"url": _url(media)}}
    return _file(media, path, quirks)


def _image(media: content_pb2.Media, path: str, quirks: Quirks) -> dict[str, Any]:
    if not quirks.images:
        raise UnsupportedFeatureError(path, "This provider takes no images.")
    if not quirks.image_urls and media.WhichOneof("source") == "uri":
        raise UnsupportedFeatureError(f"{path}.uri", "This provider takes images only as bytes.")
    types = quirks.image_types
    if types is not None and media.mime_type.lower() not in types:
        raise UnsupportedFeatureError(
            f"{path}.mime_type", f"This provider takes images of {', '.join(sorted(types))}."
        )
    return {"type": "image_url", "image_url": {"url": _url(media)}}


def _audio(media: content_pb2.Media, path: str, quirks: Quirks) -> dict[str, Any]:
    if quirks.audio == "none":
        raise UnsupportedFeatureError(path, "This provider takes no audio.")
    audio_format = FORMATS.get(media.mime_type.lower())
    if audio_format is None or media.WhichOneof("source") != "data":
        raise UnsupportedFeatureError(path, "Audio must be WAV or MP3, as bytes.")
    if quirks.audio == "string":
        return {"type": "input_audio", "input_audio": bodies.base64_data(media)}
    data_url = quirks.audio == "object_with_data_url"
    data = bodies.data_url(media) if data_url else bodies.base64_data(media)
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format}}


def _file(media: content_pb2.Media, path: str, quirks: Quirks) -> dict[str, Any]:
    source = media.WhichOneof("source")
    if quirks.files == "none":
        raise UnsupportedFeatureError(path, "This provider takes no files.")
    if quirks.files == "document_url" and source != "file_id":
        return {"type": "document_url", "document_url": _url(media)}
    if source == "file_id":
        if quirks.files != "file":
            raise UnsupportedFeatureError(
                f"{path}.file_id", "This provider takes files as bytes or by URL."
            )
        return {"type": "file", "file": {"file_id": media.file_id}}
    if source == "uri" and quirks.files != "file_or_url":
        raise UnsupportedFeatureError(
            f"{path}.uri", "This provider takes files as bytes or by file_id, not by URL."
        )
    file = {"filename": media.name or "file", "file_data": _url(media)}
    return {"type": "file", "file": file}


def _url(media: content_pb2.Media) -> str:
    return media.uri if media.WhichOneof("source") == "uri" else bodies.data_url(media)
