"""Files of the caller as parts of a message: text as text, images and documents as media.

What a file is, its first bytes say; its name is asked only where they say nothing.
"""

import html
import mimetypes
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from sluice.v1 import content_pb2

_SIGNS: Final = (
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF87a"),
    ("image/gif", 0, b"GIF89a"),
    ("image/webp", 8, b"WEBP"),
    ("application/pdf", 0, b"%PDF-"),
)
"""Media type, and what stands where in such a file."""

_ANYTHING: Final = "application/octet-stream"
"""What is said of files whose names tell no more than that they hold bytes, such as .bin."""

_IMAGES: Final = "PNG, JPEG, GIF or WebP"


def text_or_file(value: str) -> str:
    """Return the value itself, or for "@FILE" what stands in that file.

    Raises:
        click.BadParameter: the file cannot be read as text.
    """
    return text_of(file_path(value[1:])) if value.startswith("@") else value


def file_path(value: str) -> Path:
    """Return a file's path; ~ is somebody's home.

    Raises:
        click.BadParameter: there is no such somebody, or no file can have this name.
    """
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise click.BadParameter(f"{value}: nobody here has this home.") from None
    if "\0" in value:
        raise click.BadParameter("No file has such a name.")
    return path


def text_of(path: Path) -> str:
    """Return a file's text.

    Raises:
        click.BadParameter: it cannot be read, or is no text.
    """
    text = _as_text(_read(path))
    if text is None:
        raise click.BadParameter(f"{path} is no text in UTF-8.")
    return text


def file_part(value: str) -> content_pb2.Part:
    """Return a text file as text under its name, an image or a document as media.

    Raises:
        click.BadParameter: it cannot be read, or nobody can tell what it is.
    """
    path = Path(value)
    data = _read(path)
    named, _ = mimetypes.guess_type(path.name)
    found = _type_of(data)
    if found is None and named in {kind for kind, _, _ in _SIGNS}:
        raise click.BadParameter(f"{path} is named as {named} is, and is none.")
    if found is None and (text := _as_text(data)) is not None:
        name = html.escape(path.name)
        end = "" if text.endswith("\n") else "\n"
        return content_pb2.Part(text=f'<file name="{name}">\n{text}{end}</file>')
    kind = found or named
    if kind is None or kind == _ANYTHING:
        raise click.BadParameter(
            f"Nobody can tell what {path} is: it is no text, and its name has no known ending."
        )
    return content_pb2.Part(
        media=content_pb2.Media(mime_type=kind, data=data, name=path.name),
    )


def image_part(value: str) -> content_pb2.Part:
    """Return an image, out of a file or at an address that the provider fetches.

    Raises:
        click.BadParameter: it is no image that models take.
    """
    if value.startswith(("https://", "http://")):
        named, _ = mimetypes.guess_type(urlsplit(value).path)
        if named is None or not named.startswith("image/"):
            raise click.BadParameter(
                f"The address must end as an image does, such as .png: {value}"
            )
        return content_pb2.Part(media=content_pb2.Media(mime_type=named, uri=value))
    data = _read(Path(value))
    kind = _type_of(data)
    if kind is None or not kind.startswith("image/"):
        raise click.BadParameter(f"{value} is no image of the kinds {_IMAGES}.")
    return content_pb2.Part(media=content_pb2.Media(mime_type=kind, data=data))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}.") from None


def _type_of(data: bytes) -> str | None:
    return next((kind for kind, at, sign in _SIGNS if data.startswith(sign, at)), None)


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
