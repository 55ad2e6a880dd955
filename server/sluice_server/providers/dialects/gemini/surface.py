"""Where Gemini is served: what differs between its surfaces, as data. Pure.

Paths are of `gemini.md` section 1, credentials of section 2, Code Assist's
envelope of section 7. Hosts are in `providers.presets.gemini`.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

_METHOD = ":streamGenerateContent?alt=sse"
"""Answers are always streamed; without `alt=sse` they would come as a JSON array."""

_SEGMENT = r"[A-Za-z0-9_@-][A-Za-z0-9._@-]*"
_NONE = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One way to reach the same models."""

    name: str
    parent: str = ""
    """Path that full names of models are appended to; empty where the body names the model."""
    collection: str = "models"
    """Collection of a model that is named by its id alone."""
    full_names: re.Pattern[str] = _NONE
    """Names of models that bring their collection with them, such as tuned ones."""
    models_path: str | None = None
    """Path of the model list; None where there is none."""
    other_models_path: str | None = None
    """Path of a second list, of models of others that are served there too."""
    bearer: bool = True
    """Takes access tokens; otherwise API keys."""
    envelope: bool = False
    """Wraps requests and answers (section 7)."""
    project: str | None = None
    """Named in the envelope; a free tier must go without."""
    labels: bool = False
    """Takes `labels` (section 8)."""
    cloud_storage: bool = True
    """Takes files at `gs://` addresses."""
    file_store: str | None = None
    """What the ids of the surface's own file store are appended to; None where it has none."""

    def path(self, model: str) -> str:
        """Return the path of the method that answers for `model`."""
        if self.envelope:
            return f"/v1internal{_METHOD}"
        if not self.full_names.fullmatch(model):
            model = f"{self.collection}/{quote(model, safe='@')}"
        return f"{self.parent}/{model}{_METHOD}"

    def body(self, inner: dict[str, Any], model: str) -> dict[str, Any]:
        """Return the body around the inner request."""
        if not self.envelope:
            return inner
        body: dict[str, Any] = {"model": model}
        if self.project is not None:
            body["project"] = self.project
        # Theirs to count prompts by; nothing of ours hangs on it.
        body["user_prompt_id"] = str(uuid.uuid4())
        body["request"] = inner
        return body

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the header that carries a key or token; keys in addresses land in logs."""
        if self.bearer:
            return "authorization", f"Bearer {secret}"
        return "x-goog-api-key", secret


DEVELOPER_API = Surface(
    name="developer-api",
    parent="/v1beta",
    full_names=re.compile(rf"(?:models|tunedModels)/{_SEGMENT}"),
    models_path="/v1beta/models?pageSize=1000",
    bearer=False,
    cloud_storage=False,
    file_store="https://generativelanguage.googleapis.com/v1beta/",
)
"""The Gemini Developer API. v1beta carries every field; v1 does not."""


def vertex(project: str, location: str) -> Surface:
    """Return Vertex AI for a project and a location, multi-regions and `global` included."""
    return Surface(
        name="vertex",
        parent=f"/v1/projects/{quote(project, safe=':')}/locations/{quote(location, safe='')}",
        collection="publishers/google/models",
        full_names=re.compile(rf"(?:publishers/{_SEGMENT}/models|endpoints)/{_SEGMENT}"),
        # The listing exists in v1beta1 only.
        models_path="/v1beta1/publishers/google/models?pageSize=1000",
        # Publishers are listed one by one; of Claude's the reference says nothing.
        other_models_path="/v1beta1/publishers/anthropic/models?pageSize=1000",
        labels=True,
    )


def code_assist(project: str | None = None) -> Surface:
    """Return Gemini Code Assist; it lists no models, so an operator names them."""
    return Surface(name="code-assist", envelope=True, project=project)
