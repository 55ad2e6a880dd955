"""What `sluice` makes of files: parts of a message, functions, schemas."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from sluice.cli.turn.files import file_part, image_part, text_or_file
from sluice.cli.turn.tools import read_schema, read_tools

PNG = b"\x89PNG\r\n\x1a\n..."
JPEG = b"\xff\xd8\xff\xe0..."
WEBP = b"RIFF\0\0\0\0WEBPVP8 "
PDF = b"%PDF-1.7\n\xe2\xe3"


def written(folder: Path, name: str, data: bytes) -> str:
    """Write a file and return its path."""
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "data", "mime_type"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("scan", PDF, "application/pdf"),
        ("a.png", PNG, "image/png"),
        ("a.png", JPEG, "image/jpeg"),
        ("a", WEBP, "image/webp"),
        ("a.mp3", b"ID3\0\xff", "audio/mpeg"),
    ],
)
def test_documents_are_media_of_what_their_bytes_are(
    tmp_path: Path, name: str, data: bytes, mime_type: str
) -> None:
    """The name decides only where the bytes say nothing."""
    media = file_part(written(tmp_path, name, data)).media
    assert (media.mime_type, media.data, media.name) == (mime_type, data, name)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\n", "one\n"),
        (b"one", "one\n"),
        (b"\xef\xbb\xbfone", "one\n"),
        ("grüß 🏞".encode(), "grüß 🏞\n"),
        (b"", "\n"),
    ],
)
def test_text_is_text_under_its_name(tmp_path: Path, data: bytes, text: str) -> None:
    """Whatever it is called, even without an ending."""
    for name in ("notes.md", "Makefile", "data.json", 'a"b'):
        part = file_part(written(tmp_path, name, data))
        shown = name.replace('"', "&quot;")
        assert part.text == f'<file name="{shown}">\n{text}</file>'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"no PDF"),
        ("a.png", b"\0\1"),
        ("a.jpg", PDF[1:]),
        ("nothing-known", b"\0\xff"),
        ("nothing-known", b"text\0"),
        ("program.bin", b"\0\xff"),
    ],
)
def test_what_nobody_can_tell_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    """A wrong media type would be refused far away, in words of others."""
    with pytest.raises(click.BadParameter, match=name):
        file_part(written(tmp_path, name, data))


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """By name, and why."""
    for read in (file_part, image_part, lambda path: text_or_file(f"@{path}")):
        with pytest.raises(click.BadParameter, match="missing: No such file"):
            read(str(tmp_path / "missing"))
        with pytest.raises(click.BadParameter, match="directory"):
            read(str(tmp_path))
    for path in ("~nobody-has-this-name/a", "a\0b"):
        with pytest.raises(click.BadParameter):
            text_or_file(f"@{path}")
    with pytest.raises(click.BadParameter, match="no text"):
        text_or_file("@" + written(tmp_path, "a.png", PNG))


def test_images_are_images(tmp_path: Path) -> None:
    """By their bytes; at an address by its ending."""
    assert image_part(written(tmp_path, "a.txt", WEBP)).media.mime_type == "image/webp"
    for data in (PDF, b"text", b""):
        with pytest.raises(click.BadParameter, match="no image"):
            image_part(written(tmp_path, "a.png", data))
    media = image_part("https://example.com/a.JPG?size=1").media
    assert (media.mime_type, media.uri) == ("image/jpeg", "https://example.com/a.JPG?size=1")
    with pytest.raises(click.BadParameter, match="address"):
        image_part("https://example.com/picture")


def test_functions_of_all_shapes(tmp_path: Path) -> None:
    """Key order and large numbers of schemas stay; no schema means no arguments."""
    schema = '{"z": 1, "a": {"maximum": 18446744073709551615, "title": "Größe"}}'
    entries = f"""[
        {{"name": "own", "description": "d", "input_schema": {schema}}},
        {{"name": "mcp", "inputSchema": {schema}}},
        {{"type": "function", "function": {{"name": "openai", "parameters": {schema}}}}},
        {{"type": "function", "name": "responses", "parameters": {schema}, "strict": true}},
        {{"name": "none", "description": null}}
    ]"""
    for content in (entries, f'{{"tools": {entries}}}'):
        file = Path(written(tmp_path, "tools.json", content.encode()))
        own, mcp, openai, responses, none = read_tools(file)
        assert (own.name, own.description) == ("own", "d")
        for tool in (own, mcp, openai, responses):
            assert tool.input_schema_json == schema
        assert [it.strict for it in (own, mcp, openai, responses)] == [False, False, False, True]
        assert (none.name, none.description, none.input_schema_json) == ("none", "", "")


@pytest.mark.parametrize(
    "content",
    [
        "no JSON",
        "{}",
        "3",
        '{"tools": 1}',
        '["get_weather"]',
        "[{}]",
        '[{"name": 1}]',
        '[{"name": "a", "description": 1}]',
        '[{"name": "a", "input_schema": "object"}]',
        "[" * 100_000,
        r'[{"name": "\ud800"}]',
        r'[{"name": "a", "input_schema": {"title": "\ud800"}}]',
    ],
)
def test_files_without_functions_are_refused(tmp_path: Path, content: str) -> None:
    """By the file's name."""
    file = Path(written(tmp_path, "tools.json", content.encode()))
    with pytest.raises(click.BadParameter, match=r"tools\.json"):
        read_tools(file)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("person.json", "person"),
        ("über uns.v2.json", "_ber_uns_v2"),
        ("x" * 99 + ".json", "x" * 64),
    ],
)
def test_a_schema_has_its_files_name(tmp_path: Path, name: str, wanted: str) -> None:
    """As far as the contract allows it."""
    schema: dict[str, Any] = {"type": "object", "description": "ü"}
    file = Path(written(tmp_path, name, json.dumps(schema).encode()))
    told = read_schema(file, strict=True).json_schema
    assert (told.name, told.strict) == (wanted, True)
    assert json.loads(told.schema_json) == schema


@pytest.mark.parametrize("content", ["[]", "no", "1", '{"a":' * 100_000, r'{"a": "\ud800"}'])
def test_a_schema_is_an_object(tmp_path: Path, content: str) -> None:
    """Everything else is told with the file's name."""
    file = Path(written(tmp_path, "person.json", content.encode()))
    with pytest.raises(click.BadParameter, match=r"person\.json"):
        read_schema(file, strict=False)
