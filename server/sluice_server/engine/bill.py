"""What one upstream call may cost, what it used, and what that cost.

The provider's own word on money comes before prices, and what nobody knows stays
unknown. Prices are in `catalog.prices`; what a call may still take is in `limits`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import event_pb2
from sluice_server.catalog.prices import Price, Prices
from sluice_server.engine.assembler import Assembler
from sluice_server.engine.planning import Target
from sluice_server.errors import CostLimitError
from sluice_server.limits.estimate import Estimate, used
from sluice_server.limits.shortage import dollars, unpriced
from sluice_server.state.quota import COST, INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, TOKENS, Unit
from sluice_server.telemetry.call import AttemptRecord


class Bill:
    """The bill of one call."""

    def __init__(self, prices: Prices, target: Target, assembler: Assembler) -> None:
        self._prices = prices
        self._provider, self._model = target.upstream.provider.name, target.model
        self._assembler = assembler
        self.cost: int | None = None
        """What was used so far costs, in nano-dollars; None where nobody knows."""

    def estimate(self, size: Estimate, most: int | None) -> int | None:
        """Return what the call will cost at most by the estimate, in nano-dollars.

        Args:
            size: Tokens by the estimate.
            most: What the caller is ready to pay, in nano-dollars; None for anything.

        Raises:
            CostLimitError: it may cost more than that, or nobody knows what it costs.
        """
        price = self._price()
        cost = None if price is None else price.estimate(size.input_tokens, size.output_tokens)
        if most is None:
            return cost
        if cost is None:
            raise unpriced(self._provider, self._model, "routing.max_cost_usd_nanos")
        if cost > most:
            raise CostLimitError(
                f"By the estimate the call may cost {dollars(cost)}, and "
                f"routing.max_cost_usd_nanos allows {dollars(most)}. A smaller "
                "options.max_output_tokens makes it cheaper."
            )
        return cost

    def take_stock(self, record: AttemptRecord) -> None:
        """Note in the record what was used so far, and what it costs."""
        assembler = self._assembler
        record.usage, self.cost = assembler.tokens, assembler.usd_nanos
        if self.cost is None and (price := self._price(assembler.model)) is not None:
            self.cost = price.of(assembler.tokens)
        record.cost_usd_nanos = self.cost

    def charge(self, completed: event_pb2.Completed) -> None:
        """Tell the caller what the answer cost, unless the provider did."""
        price = self._price(self._assembler.model)
        if self.cost is not None and price is not None and not completed.HasField("cost"):
            completed.cost.usd_nanos = self.cost
            completed.cost.price_source = price.source

    def sunk(self, size: Estimate, *, sent: bool, http_status: int | None) -> int:
        """Return what a call that came to nothing costs, in nano-dollars, as far as known.

        Where nobody counted, what was sent has been read; a refusal costs nothing.
        """
        if self.cost is not None:
            return self.cost
        price = self._price(self._assembler.model)
        if price is None or not sent or (http_status is not None and http_status >= 400):
            return 0
        return price.estimate(size.input_tokens, 0)

    def spent(self, *, sent: bool, http_status: int | None) -> Mapping[Unit, int] | None:
        """Return what the call took of limits; None when nothing was sent.

        What nobody counted is absent, so that its estimate stays.
        """
        if not sent:
            return None
        if http_status is not None and http_status >= 400:
            # The request counts at every provider, tokens of a refused one at none known.
            return {REQUESTS: 1, TOKENS: 0, INPUT_TOKENS: 0, OUTPUT_TOKENS: 0, COST: 0}
        taken = used(self._assembler.tokens)
        return taken if self.cost is None else {**taken, COST: self.cost}

    def _price(self, *names: str) -> Price | None:
        return self._prices.of(self._provider, self._model, *names)
