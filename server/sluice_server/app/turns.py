"""Makes the engine that runs turns, as the settings say."""

from __future__ import annotations

from sluice_server.config import settings
from sluice_server.engine.attempt import Services
from sluice_server.engine.moves import moves
from sluice_server.engine.planning import Planner
from sluice_server.engine.retry_budget import RetryBudget
from sluice_server.engine.tries import Rules
from sluice_server.engine.turn import Engine, TurnSettings


def build(
    configured: settings.Settings,
    planner: Planner,
    services: Services,
    budget: RetryBudget,
) -> Engine:
    """Return the engine; `budget` holds for all calls, whatever configuration they go by."""
    attempts, server = configured.attempts, configured.server
    return Engine(
        planner,
        services,
        TurnSettings(
            max_attempts=attempts.max_attempts,
            hedge_after=attempts.hedge_after,
            max_message_bytes=server.max_answer_bytes,
            max_whole_bytes=server.max_whole_answer_bytes,
        ),
        Rules(
            moves=moves(attempts.moves),
            budget=budget,
            base_delay=attempts.base_delay_seconds,
            max_delay=attempts.max_delay_seconds,
            max_wait=configured.limits.max_wait_seconds,
        ),
    )
