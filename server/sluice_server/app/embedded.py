"""The embedded model as a provider like any other. Running its process is in `local`."""

from __future__ import annotations

import dataclasses

from sluice.v1 import metrics_pb2
from sluice_server.config import settings
from sluice_server.health.board import HealthBoard
from sluice_server.local import EmbeddedModel, LocalModel, LocalState
from sluice_server.providers.presets import EMBEDDED

LOCAL = "local"
"""Provider name of the embedded model."""

_STATES = {
    LocalState.STARTING: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    LocalState.READY: metrics_pb2.HEALTH_STATE_HEALTHY,
    LocalState.FAILED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    LocalState.STOPPED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
}


class Embedded:
    """The running model, and what its supervisor says of it."""

    def __init__(self, configured: settings.Local) -> None:
        """Raises LocalModelMissingError where the model is not installed."""
        self._settings = configured
        model = (
            LocalModel.embedded()
            if configured.model_path is None
            # A file of the operator's brings its own chat template.
            else LocalModel(model_path=configured.model_path, alias=configured.model_name)
        )
        self._model = EmbeddedModel(
            dataclasses.replace(
                model,
                alias=configured.model_name,
                threads=configured.threads,
                slots=configured.slots,
                context_tokens=configured.context_tokens,
            ),
            on_state=self._changed,
        )
        self._state, self._detail = LocalState.STARTING, ""
        self._board: HealthBoard | None = None

    async def start(self) -> settings.Provider:
        """Start the process; returns it as an ordinary provider's settings."""
        await self._model.start()
        return settings.Provider(
            kind="llamacpp" if self._settings.model_path else EMBEDDED,
            base_url=self._model.base_url,
            headers={},
            credentials=(settings.Credential(name=LOCAL, api_key=self._model.api_key),),
            models=(self._settings.model_name,),
            model_info={self._settings.model_name: self._info()},
        )

    def _info(self) -> settings.ModelInfo:
        """Return what is known of the model; of a file of the operator's that is little."""
        packaged = self._settings.model_path is None
        return settings.ModelInfo(
            context_tokens=self._settings.context_tokens,
            features=("streaming", "tools", "json_schema", "sampling") if packaged else None,
            input_modalities=("text",),
            output_modalities=("text",),
            categories=("chat",),
        )

    async def stop(self) -> None:
        """End the process."""
        await self._model.stop()

    async def wait_ready(self, timeout_seconds: float) -> bool:
        """Wait until it serves; False when it does not in time."""
        return await self._model.wait_ready(timeout_seconds)

    def report_to(self, board: HealthBoard) -> None:
        """Tell the board from now on how the model is."""
        self._board = board
        self._changed(self._state, self._detail)

    def _changed(self, state: LocalState, detail: str) -> None:
        self._state, self._detail = state, detail
        if self._board is not None:
            self._board.watched(LOCAL, _STATES[state], f"{state.value}: {detail}")
