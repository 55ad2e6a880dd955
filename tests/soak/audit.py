"""What must add up after a run: callers, providers, log, metrics, limits and the process itself.

Each check returns what is wrong, in words; no words, and the run is right.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sluice.v1 import rate_limit_pb2
from tests.soak import caller, plan
from tests.soak.faults import FAULTS
from tests.soak.run import PRICES, Result
from tests.support.channels import total
from tests.support.process import LogLine

MOST_GROWTH = 0.05
"""Of the mean memory, from the second quarter of the run to the last."""
SHORTEST_STEADY_RUN = 4000
"""Calls below which buffers and caches of the server still fill in the last quarter."""
LIMITS = 2 + 4 * len(plan.PROVIDERS)
"""Of both callers, who are admins, and of each provider, its model and its two credentials."""
LISTED = 10
"""Findings of one kind that are listed."""

_OF_CLEAN_CALLS = {
    "",
    "PROVIDER_TIMEOUT",
    "PROVIDER_RATE_LIMITED",
    "DEADLINE_EXCEEDED",
    "CIRCUIT_OPEN",
    "OVERLOADED",
}
"""Reasons for which a call may fail that met whole answers only: others met faults, or the
machine was slow."""
_NEVER_CAME = ("DEADLINE_EXCEEDED", "PROVIDER_TIMEOUT")
"""Errors of upstream calls that may have ended before the provider saw them."""
_LOGGED_BUGS = {
    "call.failed_internally",
    "call.aftermath_failed",
    "health.round_failed",
    "library.logged",
}

Findings = Iterator[str]


@dataclass
class Books:
    """All accounts of a run, by call."""

    result: Result
    lines: dict[int, list[LogLine]] = field(default_factory=dict)
    """What the server logged of each call."""
    unnamed: list[LogLine] = field(default_factory=list)
    """Lines of calls that ended before the server looked at the request."""
    arrivals: Counter[int] = field(default_factory=Counter)
    """Upstream calls that came to a provider."""

    def __post_init__(self) -> None:
        """Sort everything by call."""
        for line in self.result.log:
            if line["event"] != "call.finished" or line["method"] != "Generate":
                continue
            label = line.get("labels", {}).get(caller.LABEL)
            if label is None:
                self.unnamed.append(line)
            else:
                self.lines.setdefault(int(label), []).append(line)
        self.arrivals.update(arrival.call for arrival in self.result.arrivals)


def audit(result: Result) -> list[str]:
    """Return everything that is wrong with a run."""
    books = Books(result)
    findings: list[str] = []
    for check in CHECKS:
        found = list(check(books))
        findings += found[:LISTED]
        if len(found) > LISTED:
            findings.append(f"... and {len(found) - LISTED} more of these")
    return findings


def _answers(books: Books) -> Findings:
    """No wrong text, no false clean end, no failure without a cause."""
    clean = {(one.call, one.provider) for one in books.result.arrivals if one.fault is None}
    spoilt = {one.call for one in books.result.arrivals if one.fault is not None}
    for number, ending in enumerate(books.result.endings):
        for wrong in ending.wrong:
            yield f"call {number} ({ending.code} {ending.reason}): {wrong}"
        if ending.whole and (number, ending.provider) not in clean:
            yield f"call {number} ended well, though {ending.provider} gave no whole answer"
        if not ending.whole and number not in spoilt and ending.reason not in _OF_CLEAN_CALLS:
            yield f"call {number} failed with {ending.reason}, though nothing was done to it"


def _ends_by_call(books: Books) -> Findings:
    """The server logged each call once, with the code that its caller got."""
    for number, ending in enumerate(books.result.endings):
        lines = books.lines.get(number, [])
        if len(lines) > 1:
            yield f"call {number} was logged {len(lines)} times"
        elif not ending.local:
            codes = [line["code"] for line in lines]
            if codes != [ending.code]:
                yield f"call {number} ended with {ending.code}, and was logged as {codes}"
    for line in books.unnamed:
        if line["code"] not in ("CANCELLED", "DEADLINE_EXCEEDED"):
            yield f"a call without its number was logged as {line['code']}"
    ids = Counter(line["generation_id"] for lines in books.lines.values() for line in lines)
    if len(ids) != ids.total():
        yield "generation ids are not unique"


def _ends_in_sum(books: Books) -> Findings:
    """The metrics page counts as many RPCs of each code as were logged, and none is open."""
    samples = books.result.told.samples
    logged = Counter(line["code"] for lines in books.lines.values() for line in lines)
    logged.update(line["code"] for line in books.unnamed)
    codes = {dict(labels).get("code", "") for _, labels in samples} - {""}
    counted = {
        code: n
        for code in codes
        if (n := total(samples, "sluice_rpcs_total", method="Generate", code=code))
    }
    if counted != logged:
        yield f"RPCs by code are {counted} in metrics, and {dict(logged)} in the log"
    locally = sum(ending.local for ending in books.result.endings)
    missing = books.result.calls - logged.total()
    if not 0 <= missing <= locally:
        yield f"{missing} calls are missing in the log, and {locally} were ended by their callers"
    for name in ("sluice_active_streams", "sluice_queued_calls"):
        if left := total(samples, name):
            yield f"{name} is {left:g} at the end"
    if lost := total(samples, "sluice_log_lines_lost_total"):
        yield f"{lost:g} log lines were lost"


def _attempts_by_call(books: Books) -> Findings:
    """Callers are told of each upstream call, and providers saw no other."""
    for number, ending in enumerate(books.result.endings):
        came = books.arrivals[number]
        made = sum(line.get("attempts", 0) for line in books.lines.get(number, []))
        if came > made:
            yield f"call {number} came to providers {came} times, with {made} attempts"
        if ending.local:
            continue
        # Started also names tries that came to no upstream call, as where a circuit was open.
        if ending.attempts != made and (not ending.whole or (ending.attempts or 0) < made):
            yield f"call {number} told {ending.attempts} attempts, and logged {made}"
        told = ending.plan
        if came != made and told.hedge_after is None and told.patience is None:
            yield (
                f"call {number} made {made} attempts, and {came} came to providers "
                f"({ending.code} {ending.reason})"
            )


def _attempts_in_sum(books: Books) -> Findings:
    """Upstream calls of each provider: begun is ended, and the tiers agree with each other."""
    result = books.result
    arrived = Counter(arrival.provider for arrival in result.arrivals)
    for provider in result.told.metrics.providers:
        name, calls = provider.provider, provider.calls
        ended = calls.successes + calls.errors + calls.cancellations
        if calls.requests != ended:
            yield f"{name}: {calls.requests} upstream calls began, and {ended} ended"
        if calls.errors != sum(calls.errors_by_reason.values()):
            yield f"{name}: errors by reason do not add up"
        unseen = calls.requests - arrived[name]
        most = calls.cancellations + sum(calls.errors_by_reason[word] for word in _NEVER_CAME)
        if not 0 <= unseen <= most:
            yield f"{name} saw {arrived[name]} of {calls.requests} upstream calls; {most} may lack"
        for tier, entries in (
            ("credential", result.told.metrics.credentials),
            ("model", result.told.metrics.models),
        ):
            of_tier = sum(one.calls.requests for one in entries if one.provider == name)
            if of_tier != calls.requests:
                yield f"{name}: {calls.requests} upstream calls, but {of_tier} by {tier}"
        for outcome, count in (
            ("success", calls.successes),
            ("error", calls.errors),
            ("cancelled", calls.cancellations),
        ):
            paged = total(
                result.told.samples,
                "sluice_upstream_attempts_total",
                provider=name,
                outcome=outcome,
            )
            if paged != count:
                yield f"{name}: {count} of outcome {outcome} in GetMetrics, {paged:g} on the page"
        whole = [one for one in result.endings if one.whole and one.provider == name]
        # Who leaves at the very end does not undo the provider's success.
        more = calls.successes - len(whole)
        if not 0 <= more <= sum(one.local for one in result.endings):
            yield f"{name}: {calls.successes} successes, and {len(whole)} whole answers"
    made = sum(
        line.get("attempts", 0)
        for lines in (*books.lines.values(), books.unnamed)
        for line in lines
    )
    begun = sum(provider.calls.requests for provider in result.told.metrics.providers)
    if made != begun:
        yield f"{made} attempts in the log, and {begun} upstream calls in metrics"


def _tokens(books: Books) -> Findings:
    """Tokens and money of each provider are the sums of what its callers were told."""
    result = books.result
    # A slow machine may time out an attempt to which nothing was done: what it counted until then
    # is in the metrics, and nobody was told. Mostly there is none.
    unheard = Counter[str]()
    answered = Counter(number for number, one in enumerate(result.endings) if one.whole)
    for arrival in result.arrivals:
        ending = result.endings[arrival.call]
        if arrival.fault is None and ending.plan.tokens is not None:
            if ending.provider == arrival.provider and answered[arrival.call]:
                answered[arrival.call] -= 1
            else:
                unheard[arrival.provider] += sum(ending.plan.tokens)
    for provider in result.told.metrics.providers:
        name, calls = provider.provider, provider.calls
        told = [one for one in result.endings if one.provider == name and one.tokens is not None]
        read = sum(one.tokens[0] for one in told if one.tokens)
        written = sum(one.tokens[1] for one in told if one.tokens)
        more = (calls.usage.input_tokens - read, calls.usage.output_tokens - written)
        if min(more) < 0 or sum(more) > unheard[name]:
            yield f"{name}: {more} more input and output tokens in metrics than were told"
        cost = 1000 * (PRICES["input"] * read + PRICES["output"] * written)
        if cost != sum(one.cost or 0 for one in told):
            yield f"{name}: what callers were told of costs is not the price of their tokens"
        # Half a count has no price.
        most = cost + 1000 * (PRICES["input"] * more[0] + PRICES["output"] * more[1])
        if not cost <= calls.cost.usd_nanos <= most:
            yield f"{name}: {calls.cost.usd_nanos} nano-dollars in metrics, and {cost} were told"


def _limits(books: Books) -> Findings:
    """No limit of the operator's, whoever it is for, counts a call that ended.

    What a provider stated is left out: there, an ended call counts until the provider's next word.
    """
    for name, limits in books.result.told.limits.items():
        own = [
            bucket
            for bucket in limits.buckets
            if bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG
        ]
        if len(own) != LIMITS:
            yield f"{name} is told of {len(own)} limits instead of {LIMITS}"
        for bucket in own:
            if bucket.reserved or bucket.remaining != bucket.limit:
                where = f"{bucket.provider}/{bucket.model}/{bucket.quota_scope}"
                yield f"{where} still holds {bucket.reserved}, seen by {name}"


def _connections(books: Books) -> Findings:
    """What broke off was closed, nothing idle is kept for ever, and no descriptor is left."""
    result = books.result
    for arrival in result.arrivals:
        received = arrival.received
        if not received.answered.is_set() and not received.disconnected.is_set():
            yield f"call {arrival.call} ended, and {arrival.provider} is still connected"
    if result.open_connections:
        yield f"{result.open_connections} connections to providers were kept"
    if result.after != result.before:
        yield f"the server holds {result.after}, and held {result.before} before the first call"


def _memory(books: Books) -> Findings:
    """Memory stays where it is once the first quarter of the run is over."""
    result = books.result
    if result.calls >= SHORTEST_STEADY_RUN and abs(growth := result.memory.growth) > MOST_GROWTH:
        yield f"memory changed by {growth:+.1%} from the second quarter to the last"


def _coverage(books: Books) -> Findings:
    """All of it took part: a run in which nothing happens proves nothing."""
    result = books.result
    met = {arrival.fault for arrival in result.arrivals}
    missing = [name for name in FAULTS if name not in met]
    ends = Counter(ending.code for ending in result.endings)
    happened = {
        "a departure": ends["CANCELLED"],
        "a passed deadline": ends["DEADLINE_EXCEEDED"],
        "a whole answer": ends["OK"],
        "a further attempt": sum(one.tried_again for one in result.endings),
        "a hedge that won": sum(one.outraced for one in result.endings),
        "a wait for room": sum(one.waited for one in result.endings),
        "an open circuit": total(result.told.samples, "sluice_circuit_openings_total"),
    }
    if result.calls >= SHORTEST_STEADY_RUN:
        yield from (f"no call met the fault {name!r}" for name in missing)
        yield from (f"there was not even {what}" for what, count in happened.items() if not count)


def _bugs(books: Books) -> Findings:
    """The server logged no bug of its own, and nothing but log lines."""
    for line in books.result.log:
        if line["event"] in _LOGGED_BUGS:
            yield f"the server logged {line}"
    for text in books.result.plain_lines:
        yield f"the server wrote {text!r}"


CHECKS: tuple[Callable[[Books], Findings], ...] = (
    _answers,
    _ends_by_call,
    _ends_in_sum,
    _attempts_by_call,
    _attempts_in_sum,
    _tokens,
    _limits,
    _connections,
    _memory,
    _coverage,
    _bugs,
)
