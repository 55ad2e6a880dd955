"""Failures in plain words: what happened, what to do next, and the exit code.

A failure without a reason comes from gRPC's own library, which reached no gateway.
"""

from dataclasses import dataclass
from typing import Final

import grpc

from sluice.cli.client import Target
from sluice.cli.text import clean, harmless, seconds
from sluice.errors import SluiceError

FAILED: Final = 1
"""The gateway failed or refused, in a way that has no code of its own."""
# 2 is a wrong use of the command line, by click's convention.
REFUSED_CALLER: Final = 3
"""The caller is not known to the gateway, or may not do this."""
UNREACHABLE: Final = 4
"""No gateway was reached at this address."""
LATE: Final = 5
"""The deadline of --timeout passed."""
TRY_LATER: Final = 6
"""The gateway is there, and has no room now; or the providers fail for now."""
NOT_SERVING: Final = 7
"""The gateway is there and says that what was asked about does not serve."""
CUT: Final = 8
"""The model stopped before its answer was whole."""
DECLINED: Final = 9
"""The model refused to answer, or the provider's filter cut the answer."""

_TLS_SIGNS = ("handshake", "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "SSL_ERROR")

_NEXT = {
    "INVALID_REQUEST": "Correct what is named above; --help tells the options.",
    "CONTEXT_TOO_LONG": "Send less (/undo and /reset in a chat), or choose a model with a larger "
    "context: sluice models --min-context.",
    "UNSUPPORTED_FEATURE": "Leave it out, or choose a model that can do it: sluice models "
    "--feature.",
    "MODEL_NOT_FOUND": "sluice models lists what can be called; --model or SLUICE_MODEL names it.",
    "CALLER_UNAUTHENTICATED": "Give a token that the gateway knows, in SLUICE_TOKEN or with "
    "--token-file.",
    "CALLER_FORBIDDEN": "Ask whoever runs the gateway to allow this caller to do it.",
    "CALLER_LIMITED": "Wait, or ask whoever runs the gateway for a higher limit; sluice limits "
    "shows it.",
    "COST_LIMIT": "Ask for less (--max-tokens), or choose a cheaper model: sluice models "
    "--max-output-price.",
    "ANSWER_TOO_LARGE": "Ask for it as a stream: leave --whole away.",
    "PROVIDER_RATE_LIMITED": "Wait (sluice limits shows how long), or name another model with "
    "--fallback.",
    "PROVIDER_QUOTA_EXHAUSTED": "Whoever runs the gateway must pay or raise the provider's quota; "
    "until then use another model.",
    "PROVIDER_CREDENTIAL_REJECTED": "Whoever runs the gateway must see to the provider's key; "
    "until then use another model.",
    "PROVIDER_FORBIDDEN": "Choose another model; the provider does not allow this one here.",
    "PROVIDER_REJECTED_REQUEST": "Change the request as the provider says, or choose another "
    "model.",
    "PROVIDER_UNAVAILABLE": "Try again, or name another model with --fallback; sluice health "
    "shows the providers.",
    "PROVIDER_UNREACHABLE": "Try again, or name another model with --fallback; sluice health "
    "shows the providers.",
    "PROVIDER_TIMEOUT": "Try again, or name another model with --fallback.",
    "PROVIDER_PROTOCOL": "Try another model, and tell whoever runs the gateway.",
    "STREAM_TRUNCATED": "What came is partial. Try again.",
    "CIRCUIT_OPEN": "Try again later, or name another model with --fallback; sluice health shows "
    "the providers.",
    "DEADLINE_EXCEEDED": "Give it more time with --timeout.",
    "OVERLOADED": "Try again; another replica may have room.",
    "INTERNAL": "This is a fault of the gateway: please report it with this message.",
}
"""What to do next, by ErrorReason."""


@dataclass(frozen=True)
class Explanation:
    """A failure as it is told."""

    message: str
    """What happened; over several lines where several fields are wrong."""
    advice: str
    """What to do next; empty when nobody knows."""
    exit_code: int

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


def explain(error: SluiceError, target: Target) -> Explanation:
    """Return what to tell about a call of this gateway that failed."""
    if error.reason:
        return _told_by_gateway(error)
    told = clean(error.message)
    address = clean(target.address)
    if error.status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Explanation(
            f"{address} did not answer within {seconds(target.timeout)}.",
            "Give it more time with --timeout, or check that the address is the gateway's.",
            LATE,
        )
    if error.status is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(address, told, tls=target.tls is not None)
    if error.status is grpc.StatusCode.UNIMPLEMENTED:
        return Explanation(
            f"{address} does not know this call.",
            "Check that the address is a Sluice gateway's, and that its version is new enough.",
            FAILED,
        )
    if error.status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Its library, here or there, met a message that is larger than it takes.
        return Explanation(
            f"The request or the answer is too large: {told}",
            "Send less, or smaller files; whoever runs the gateway can let larger ones in.",
            FAILED,
        )
    return Explanation(f"{error.status.name}: {told}", "", FAILED)


def _told_by_gateway(error: SluiceError) -> Explanation:
    lines = [f"{clean(error.reason)}: {harmless(error.message)}"]
    lines += [f"  {clean(it.field)}: {harmless(it.description)}" for it in error.violations]
    lines += [f"  {clean(it.subject)}: {harmless(it.description)}" for it in error.quota_violations]
    if error.reason == "INTERNAL" and error.generation_id:
        lines.append(f"  generation {clean(error.generation_id)}")
    advice = _NEXT.get(error.reason, "")
    if error.retry_delay is not None:
        advice = f"Try again in {seconds(error.retry_delay)}."
    return Explanation("\n".join(lines), advice, _exit_code(error))


def _exit_code(error: SluiceError) -> int:
    if error.status is grpc.StatusCode.UNAUTHENTICATED:
        return REFUSED_CALLER
    if error.status is grpc.StatusCode.PERMISSION_DENIED:
        # What a provider forbids has nothing to do with the caller's token.
        return FAILED if error.reason.startswith("PROVIDER_") else REFUSED_CALLER
    if error.status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return LATE
    if error.retry_delay is not None or error.status in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ):
        return TRY_LATER
    return FAILED


def _unreachable(address: str, told: str, *, tls: bool) -> Explanation:
    if any(sign.lower() in told.lower() for sign in _TLS_SIGNS):
        advice = (
            "If the gateway's certificate is by an authority of your own, name it with --ca; "
            "if the gateway wants a certificate, give --cert and --key; if it speaks "
            "plaintext, leave --tls away."
        )
        return Explanation(f"TLS with {address} failed: {told}", advice, UNREACHABLE)
    advice = (
        "Check that the gateway runs, and the address: HOST:PORT in --address or SLUICE_ADDRESS."
    )
    # A server that misses a client's certificate hangs up after the handshake, without a word.
    advice += (
        " If it asks for a certificate, give --cert and --key."
        if tls
        else " If it speaks TLS, add --tls."
    )
    return Explanation(f"No gateway was reached at {address}: {told}", advice, UNREACHABLE)
