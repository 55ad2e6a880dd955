"""The bench itself works: a handful of calls through every process, and wrong answers stop it.

No test here looks at a duration.
"""

import json
from collections.abc import Callable

import pytest

from sluice.v1.event_pb2 import FinishReason
from sluice.v1.gateway_service_pb2 import GenerateResponse
from tests.bench import hpack, report
from tests.bench.__main__ import parser
from tests.bench.errors import BenchError
from tests.bench.http2 import Call
from tests.bench.measure import Cores
from tests.bench.plan import ANSWER_TEXT, ANSWER_TOKENS, TOKENS, build_answer
from tests.bench.run import Results, Sample, Settings, percentile, run
from tests.bench.servers import ServerName
from tests.bench.verify import check

CALLS = 5


def message(payload: bytes) -> bytes:
    """Frame a gRPC message."""
    return b"\0" + len(payload).to_bytes(4, "big") + payload


def record(*pieces: bytes, status: str = "0") -> Call:
    """Return a finished call whose frames arrived one second apart, sent at 10 s."""
    # The checks look at records only; a future would need a loop.
    call = Call(done=None)  # type: ignore[arg-type]
    call.started_at = 10.0
    call.finished_at = 10.0 + len(pieces)
    call.pieces = [(11.0 + index, piece) for index, piece in enumerate(pieces)]
    call.headers = {"grpc-status": status}
    return call


def right_answer() -> list[GenerateResponse]:
    """Return an answer of the contract: its opening alone, then the texts, then its end."""
    opening, texts, ending = GenerateResponse(), GenerateResponse(), GenerateResponse()
    opening.events.add().started.generation_id = "gen"
    for token in ANSWER_TOKENS:
        texts.events.add().text_delta.text = token
    completed = ending.events.add().completed
    completed.finish_reason = FinishReason.FINISH_REASON_STOP
    completed.usage.output_tokens = TOKENS
    completed.message.parts.add().text = ANSWER_TEXT
    return [opening, texts, ending]


def framed(answer: list[GenerateResponse]) -> list[bytes]:
    """Return the answer's messages, framed."""
    return [message(response.SerializeToString()) for response in answer]


@pytest.mark.parametrize("name", ["floor", "sluice", "recording"])
def test_run_measures_right_answers(name: ServerName) -> None:
    """Both scenarios run through the real processes and every figure is there."""
    lines: list[str] = []
    results = run(Settings(servers=(name,), rounds=1, calls=CALLS, concurrency=2), lines.append)
    assert [(each.scenario, each.calls) for each in results.samples] == [
        ("burst", CALLS),
        ("paced", CALLS),
    ]
    assert len(lines) == 2
    for sample in results.samples:
        assert all(metric.value(sample) > 0 for metric in report.METRICS)
    paced = results.samples[1]
    assert paced.messages_per_call > 1, "a paced answer cannot have come in one read"
    assert results.idle_mib[name] > 0
    assert json.loads(report.to_json(results))["samples"][0]["server"] == name
    tally = results.recording
    assert bool(tally) is (name == "recording")
    if tally:
        # Both scenarios, and calls that warm them up.
        assert tally["calls"] >= 2 * CALLS
        assert 0 < tally["recording_us"] < tally["whole_us"]


def test_plan_has_the_promised_tokens() -> None:
    """The upstream's stream holds every token once, a usage chunk and the end marker."""
    events = build_answer().body.removesuffix(b"\n\n").split(b"\n\n")
    *chunks, end = [event.removeprefix(b"data: ") for event in events]
    documents = [json.loads(chunk) for chunk in chunks]
    contents = [choice["delta"].get("content") for each in documents for choice in each["choices"]]
    assert [content for content in contents if content] == list(ANSWER_TOKENS)
    assert len(ANSWER_TOKENS) == TOKENS
    assert documents[-1]["choices"] == []
    assert documents[-1]["usage"]["completion_tokens"] == TOKENS
    assert end == b"[DONE]"


def test_first_output_is_the_first_text() -> None:
    """A message without text is not output; its time does not count."""
    checked = check(record(*framed(right_answer())), "events")
    assert checked.first_output_seconds == 2.0
    assert checked.total_seconds == 3.0
    assert checked.messages == 3


def test_messages_cut_by_frames_are_joined() -> None:
    """A message may span frames and a frame may hold several messages."""
    stream = b"".join(framed(right_answer()))
    checked = check(record(stream[:3], stream[3:50], stream[50:]), "events")
    assert checked.messages == 3


def _no_end(answer: list[GenerateResponse]) -> None:
    answer.pop()


def _two_ends(answer: list[GenerateResponse]) -> None:
    answer.append(answer[-1])


def _lost_token(answer: list[GenerateResponse]) -> None:
    del answer[1].events[-1]


def _no_start(answer: list[GenerateResponse]) -> None:
    del answer[0].events[0]


def _wrong_usage(answer: list[GenerateResponse]) -> None:
    answer[-1].events[0].completed.usage.output_tokens -= 1


def _wrong_reason(answer: list[GenerateResponse]) -> None:
    answer[-1].events[0].completed.finish_reason = FinishReason.FINISH_REASON_MAX_TOKENS


def _wrong_message(answer: list[GenerateResponse]) -> None:
    answer[-1].events[0].completed.message.parts[0].text = "something else"


@pytest.mark.parametrize(
    "spoil",
    [_no_end, _two_ends, _lost_token, _no_start, _wrong_usage, _wrong_reason, _wrong_message],
)
def test_wrong_answers_stop_the_bench(spoil: Callable[[list[GenerateResponse]], None]) -> None:
    """An answer that is not one whole turn gives no figures."""
    answer = right_answer()
    spoil(answer)
    with pytest.raises(BenchError):
        check(record(*framed(answer)), "events")


def test_failed_and_cut_calls_stop_the_bench() -> None:
    """A status other than OK, an empty answer and a cut message give no figures."""
    body = message(build_answer().body)
    assert check(record(body), "bytes").messages == 1
    for wrong in (record(body, status="14"), record(), record(body[:-1])):
        with pytest.raises(BenchError):
            check(wrong, "bytes")
    with pytest.raises(BenchError):
        check(record(message(build_answer().body[:-1])), "bytes")


def test_header_blocks_without_a_table_are_read() -> None:
    """Static references, table size updates and both kinds of literals are understood."""
    block = b"\x20\x88" + b"\x40\x0bgrpc-status\x010" + hpack.encode([("grpc-message", "fine")])
    assert hpack.decode(block) == {":status": "200", "grpc-status": "0", "grpc-message": "fine"}
    with pytest.raises(BenchError):
        hpack.decode(b"\xbe")


def test_percentiles_are_values_that_occurred() -> None:
    """The nearest rank is taken, also of a single value."""
    assert percentile([3.0, 1.0, 2.0, 4.0], 50) == 2.0
    assert percentile([3.0, 1.0, 2.0, 4.0], 99) == 4.0
    assert percentile([7.0], 99) == 7.0


def _sample(server: ServerName, number: int, cpu: float) -> Sample:
    return Sample(
        server=server,
        scenario="burst",
        round=number,
        calls=CALLS,
        concurrency=2,
        cpu_us_per_call=cpu,
        cpu_us_per_token=cpu / TOKENS,
        calls_per_second=1e6 / cpu,
        first_output_p50_ms=1.0,
        first_output_p99_ms=2.0,
        whole_answer_p50_ms=3.0,
        messages_per_call=2.0,
        resident_mib=60.0,
        server_core_busy=0.5,
        others_core_busy=0.1,
    )


@pytest.mark.parametrize("markdown", [True, False])
def test_ratios_are_taken_within_rounds(markdown: bool) -> None:
    """The quoted ratio is the median of the rounds' ratios, with its range."""
    rounds = ((1, 100, 110), (2, 200, 240), (3, 1000, 1300))
    samples = [_sample("floor", number, floor) for number, floor, _ in rounds]
    samples += [_sample("sluice", number, ours) for number, _, ours in rounds]
    results = Results(Cores(None, ()), {"floor": 50.0, "sluice": 55.0}, samples, {})
    row = report.table(results, "burst")[1]
    assert row[1:] == ["200 (100-1,000)", "240 (110-1,300)", "1.20 (1.10-1.30)"]
    text = report.render(results, markdown=markdown)
    assert "1.20 (1.10-1.30)" in text
    assert ("| --- |" in text) is markdown


def test_counts_are_positive() -> None:
    """The command line refuses a run that would measure nothing."""
    assert parser().parse_args(["--calls", "5"]).calls == 5
    with pytest.raises(SystemExit):
        parser().parse_args(["--calls", "0"])
