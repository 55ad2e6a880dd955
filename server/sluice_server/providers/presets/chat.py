"""Providers that speak Chat Completions, as rows of data.

A look-alike is a row: its address, its key's usual variable and its accent.
Facts are from `openai.md`, `openai-compatible.md` section 1 and each provider's
own section, `qwen.md`, `cerebras.md` and `openrouter.md`. What is known of
single models is in `facts/openai.toml`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.local.model import TOOL_CALL_PREFILL
from sluice_server.providers.call_ids import COMMON, NINE
from sluice_server.providers.dialects.openai_chat import OpenAiChat, Quirks
from sluice_server.providers.presets.preset import Preset
from sluice_server.providers.schemas import AZURE_STRICT, CEREBRAS_STRICT, OPENAI_STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """One row."""

    name: str
    base_url: str | None
    key_variable: str | None
    quirks: Quirks
    needs_key: bool = True
    takes: frozenset[str] = frozenset()
    """Settings beside the common ones (`config.kinds`), the region not counted."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Base addresses by region; `base_url` is the one without a region."""
    adapt: Callable[[Quirks, settings.Provider], Quirks] | None = None
    """Changes the accent by the operator's settings."""
    reuse_connections: bool = True

    def preset(self) -> Preset:
        """Return the kind that the row describes."""
        kind = ProviderKind(
            name=self.name,
            key_variable=self.key_variable,
            default_base_url=self.base_url,
            needs_key=self.needs_key,
            settings=self.takes | ({"region"} if self.regions else frozenset()),
            required=frozenset() if self.base_url else frozenset({"base_url"}),
            regions=frozenset(self.regions),
        )
        return Preset(
            kind=kind,
            dialect=self._speak,
            address=self._address if self.regions else None,
            reuse_connections=self.reuse_connections,
        )

    def _speak(self, configured: settings.Provider) -> OpenAiChat:
        quirks = self.adapt(self.quirks, configured) if self.adapt else self.quirks
        return OpenAiChat(quirks, droppable=frozenset(configured.drop_unsupported))

    def _address(self, configured: settings.Provider) -> str:
        region = configured.region
        return self.regions[region] if region else str(self.base_url)


def _azure_paths(quirks: Quirks, configured: settings.Provider) -> Quirks:
    """Speak to a deployment where a version is set, else to the newer common path."""
    if configured.api_version is None:
        return quirks
    query = f"?api-version={configured.api_version}"
    return dataclasses.replace(
        quirks,
        path=f"/openai/deployments/{{model}}/chat/completions{query}",
        models_path=f"/openai/models{query}",
    )


_PLAIN = Quirks(
    token_cap_field="max_tokens",
    end_user_field="user",
    max_stop=None,
)
"""What most self-made servers take: the field names of 2023."""

_LLAMACPP = Quirks(
    token_cap_field="max_tokens",
    end_user_field=None,
    named_tool_choice=False,
    top_k=True,
    max_stop=None,
)

_QWEN_SINGAPORE = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"

_VENDORS = (
    LookAlike(
        name="openai",
        base_url="https://api.openai.com/v1",
        key_variable="OPENAI_API_KEY",
        quirks=Quirks(
            padded_stream=True,
            call_ids=COMMON,
            strict_subset=OPENAI_STRICT,
            cache_hints="breakpoint",
            limits="openai",
            facts="openai",
        ),
    ),
    LookAlike(
        name="azure-openai",
        base_url=None,
        key_variable="AZURE_OPENAI_API_KEY",
        takes=frozenset({"api_version"}),
        adapt=_azure_paths,
        quirks=Quirks(
            path="/openai/v1/chat/completions",
            models_path="/openai/v1/models",
            key_header="api-key",
            request_id_header="apim-request-id",
            end_user_field="user",
            call_ids=COMMON,
            strict_subset=AZURE_STRICT,
            limits="azure",
            facts="openai",
        ),
    ),
    LookAlike(
        name="cerebras",
        base_url="https://api.cerebras.ai/v1",
        key_variable="CEREBRAS_API_KEY",
        quirks=Quirks(
            models_path="/models?format=openrouter",
            end_user_field="user",
            # Sources disagree about these (section 2 there); provider_options can send them.
            penalties=False,
            parallel_control=False,
            strict_subset=CEREBRAS_STRICT,
            reasoning_echo="field",
            reasoning_echo_field="reasoning",
            limits="cerebras",
            facts="cerebras",
        ),
    ),
    LookAlike(
        name="qwen",
        base_url=_QWEN_SINGAPORE,
        key_variable="DASHSCOPE_API_KEY",
        regions={
            "china": "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "singapore": _QWEN_SINGAPORE,
            "us": "https://dashscope-us.aliyuncs.com/compatible-mode/v1",
            "hongkong": "https://cn-hongkong.dashscope.aliyuncs.com/compatible-mode/v1",
        },
        quirks=Quirks(
            token_cap_field="max_tokens",
            end_user_field=None,
            top_k=True,
            max_stop=None,
            json_word=True,
            budget_field="thinking_budget",
            with_reasoning={"enable_thinking": True},
            without_reasoning={"enable_thinking": False},
            audio="object_with_data_url",
            files="none",
            cache_hints="cache_control",
            insufficient_quota_is_transient=True,
            facts="qwen",
        ),
    ),
    LookAlike(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_variable="OPENROUTER_API_KEY",
        quirks=Quirks(
            token_cap_field="max_tokens",
            end_user_field="user",
            request_id_header="x-generation-id",
            top_k=True,
            max_stop=None,
            reasoning_object="reasoning",
            effort_field="effort",
            budget_field="max_tokens",
            reasoning_details=True,
            files="file_or_url",
            video=True,
            cache_hints="cache_control",
            cost_in_usd=True,
            limits="openrouter",
            key_status_path="/key",
        ),
    ),
    LookAlike(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_variable="GROQ_API_KEY",
        quirks=Quirks(
            end_user_field="user",
            penalties=False,
            logprobs=False,
            limits="groq",
            facts="groq",
        ),
    ),
    LookAlike(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_variable="MISTRAL_API_KEY",
        quirks=Quirks(
            token_cap_field="max_tokens",
            seed_field="random_seed",
            stream_options=False,
            end_user_field=None,
            refusal_field=False,
            request_id_header="mistral-correlation-id",
            call_ids=NINE,
            required_word="any",
            top_k=True,
            max_stop=None,
            audio="string",
            files="document_url",
            reasoning_echo="thinking_chunks",
            limits="mistral",
        ),
    ),
    LookAlike(
        name="deepseek",
        base_url="https://api.deepseek.com",
        key_variable="DEEPSEEK_API_KEY",
        quirks=Quirks(
            token_cap_field="max_tokens",
            end_user_field=None,
            request_id_header="x-ds-trace-id",
            parallel_control=False,
            # Strict functions only exist under another address (section 4).
            strict_tools=False,
            json_schema=False,
            max_stop=None,
            effort_words={
                "minimal": "low",
                "medium": "high",
                "xhigh": "high",
                "ultra": "max",
            },
            with_reasoning={"thinking": {"type": "enabled"}},
            without_reasoning={"thinking": {"type": "disabled"}},
            reasoning_echo="field",
            reasoning_echo_turns="with_calls",
            # "unknown variant `image_url`, expected `text`": a recorded answer.
            images=False,
            audio="none",
            files="none",
            facts="deepseek",
        ),
    ),
    LookAlike(
        name="xai",
        base_url="https://api.x.ai/v1",
        key_variable="XAI_API_KEY",
        quirks=Quirks(
            end_user_field="user",
            models_path="/language-models",
            reasoning_outside_completion=True,
            limits="xai",
            facts="xai",
        ),
    ),
    LookAlike(
        name="together",
        base_url="https://api.together.xyz/v1",
        key_variable="TOGETHER_API_KEY",
        quirks=dataclasses.replace(_PLAIN, think_tags=True, limits="together"),
    ),
    LookAlike(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variable="FIREWORKS_API_KEY",
        quirks=dataclasses.replace(_PLAIN, limits="fireworks"),
    ),
)

_SERVERS = (
    LookAlike(
        name="openai-compatible",
        base_url=None,
        key_variable=None,
        quirks=dataclasses.replace(_PLAIN, limits="compatible"),
        needs_key=False,
    ),
    LookAlike(
        name="llamacpp",
        base_url="http://127.0.0.1:8080/v1",
        key_variable=None,
        quirks=_LLAMACPP,
        needs_key=False,
        # It announces keep-alive and closes after every stream (tried with
        # 2026.10): half of the calls right after another one would fail.
        reuse_connections=False,
    ),
    LookAlike(
        name="vllm",
        base_url="http://127.0.0.1:8000/v1",
        key_variable=None,
        quirks=Quirks(
            token_cap_field="max_tokens",
            end_user_field="user",
            top_k=True,
            max_stop=None,
            budget_field="thinking_token_budget",
            reasoning_echo="field",
            reasoning_echo_field="reasoning",
        ),
        needs_key=False,
    ),
    LookAlike(
        name="ollama",
        base_url="http://127.0.0.1:11434/v1",
        key_variable=None,
        quirks=Quirks(
            token_cap_field="max_tokens",
            end_user_field=None,
            forced_tool_choice=False,
            no_tool_choice=False,
            parallel_control=False,
            strict_tools=False,
            max_stop=None,
            image_urls=False,
            image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
            audio="none",
            files="none",
            # "Each content part becomes its own internal message" (section 7).
            tool_result_images=True,
            reasoning_echo="field",
            reasoning_echo_field="reasoning",
        ),
        needs_key=False,
    ),
    LookAlike(
        name="lmstudio",
        base_url="http://127.0.0.1:1234/v1",
        key_variable=None,
        quirks=_PLAIN,
        needs_key=False,
    ),
)

_LOOK_ALIKES = (*_VENDORS, *_SERVERS)

_EMBEDDED = LookAlike(
    name="embedded",
    base_url=None,
    key_variable=None,
    quirks=dataclasses.replace(_LLAMACPP, forced_call_prefill=TOOL_CALL_PREFILL),
    needs_key=False,
    reuse_connections=False,
)

ROWS = tuple(row.preset() for row in _LOOK_ALIKES)
"""The kinds that the configuration may name."""

EMBEDDED = _EMBEDDED.preset()
"""The packaged model: llama.cpp with a chat template of ours. Not for
configurations, which say `local` instead."""

QUIRKS: Mapping[str, Quirks] = {row.name: row.quirks for row in (*_LOOK_ALIKES, _EMBEDDED)}
"""The accents by kind."""
