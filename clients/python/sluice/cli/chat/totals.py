"""What a chat took so far."""

from dataclasses import dataclass

from sluice.answers import Answer


@dataclass
class Totals:
    """Sums over the turns that came to their end; the gateway's own counts have the others, too."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    uncounted: int = 0
    """Turns of which nobody counted the tokens."""
    usd_nanos: int = 0
    unpriced: int = 0
    """Turns of which nobody knows the price."""

    def add(self, answer: Answer) -> None:
        """Count a turn."""
        self.turns += 1
        if answer.usage is not None and answer.usage.HasField("output_tokens"):
            self.input_tokens += answer.usage.input_tokens
            self.output_tokens += answer.usage.output_tokens
        else:
            self.uncounted += 1
        if answer.cost is not None:
            self.usd_nanos += answer.cost.usd_nanos + answer.cost.wasted_usd_nanos
        else:
            self.unpriced += 1

    def __str__(self) -> str:
        tokens = f"{self.input_tokens} tokens in, {self.output_tokens} out"
        tokens += f" ({self.uncounted} turns uncounted)" if self.uncounted else ""
        money = f"${self.usd_nanos / 1e9:.6f}"
        money += f" ({self.unpriced} turns of unknown cost)" if self.unpriced else ""
        return f"{self.turns} turns · {tokens} · {money}"
