"""The settings of patience: how long an upstream may take, in general and one alone."""

from sluice_server.config.section import Section
from sluice_server.config.values import Wait


class Timeouts(Section):
    """How long an upstream may take.

    There is no limit on a whole answer: the caller's deadline is that limit, and long answers are
    legitimate.
    """

    connect_seconds: Wait = 5.0
    """Longest wait for a connection, TLS handshake included, in seconds. Five: what the OpenAI
    and Anthropic libraries use; room for two lost packets. More only delays the next target."""

    first_output_seconds: Wait = 60.0
    """Longest wait for the first output of an attempt, in seconds, counted from when the request
    was sent. Sixty: the whole time that the Cerebras and Groq libraries allow. Raise it for a
    provider whose models think or queue for long before they say anything."""

    idle_seconds: Wait = 120.0
    """Longest silence between two reads of an answer, in seconds. Any bytes end the silence,
    comments and pings included. 120: slow models pause for a minute without being broken. Raise
    it to 600 for background reasoning models."""

    def overridden_by(self, override: "TimeoutOverrides | None") -> "Timeouts":
        """Return these timeouts with what `override` sets put in their place."""
        if override is None:
            return self
        return self.model_copy(update=override.model_dump(exclude_none=True))


class TimeoutOverrides(Section):
    """Timeouts of one provider. What is absent is taken from the top-level `timeouts`."""

    connect_seconds: Wait | None = None
    """As `timeouts.connect_seconds`, for this provider."""

    first_output_seconds: Wait | None = None
    """As `timeouts.first_output_seconds`, for this provider."""

    idle_seconds: Wait | None = None
    """As `timeouts.idle_seconds`, for this provider."""
