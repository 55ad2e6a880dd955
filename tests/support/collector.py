"""A collector on loopback that takes OTLP over gRPC and keeps what it gets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from tests.support.secrecy import SECRECY


class Collector:
    """Keeps what is exported to it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spans: list[trace_pb2.Span] = []
        self.metrics: list[metrics_pb2.Metric] = []
        self.resources: list[resource_pb2.Resource] = []
        self.metadata: list[tuple[str, str]] = []
        """What came with the requests."""
        self.raw = b""
        """All bytes that were received."""
        self.stalled = False
        """Take requests and do not answer."""
        self.came = asyncio.Event()
        """Set when the first request came."""

    @property
    def inbound(self) -> trace_pb2.Span:
        """The only server span."""
        (span,) = (s for s in self.spans if s.kind == trace_pb2.Span.SPAN_KIND_SERVER)
        return span

    @property
    def outbound(self) -> list[trace_pb2.Span]:
        """The client spans in the order in which they began."""
        spans = [s for s in self.spans if s.kind == trace_pb2.Span.SPAN_KIND_CLIENT]
        return sorted(spans, key=lambda span: span.start_time_unix_nano)

    def metric(self, name: str) -> list[metrics_pb2.HistogramDataPoint]:
        """Return the points of a histogram, as exported last."""
        found = [metric for metric in self.metrics if metric.name == name]
        return list(found[-1].histogram.data_points) if found else []

    async def take(self, request: Any, context: Any) -> None:
        """Keep a request."""
        self.raw += (said := request.SerializeToString())
        SECRECY.tell("spans and metrics", said)
        self.metadata.extend(context.invocation_metadata())
        self.came.set()
        if self.stalled:
            await asyncio.Event().wait()


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the generated name
        """Keep spans."""
        await self._collector.take(request, context)
        for resource in request.resource_spans:
            self._collector.resources.append(resource.resource)
            for scope in resource.scope_spans:
                self._collector.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the generated name
        """Keep metrics."""
        await self._collector.take(request, context)
        for resource in request.resource_metrics:
            self._collector.resources.append(resource.resource)
            for scope in resource.scope_metrics:
                self._collector.metrics.extend(scope.metrics)
        return metrics_service_pb2.ExportMetricsServiceResponse()


@asynccontextmanager
async def collecting(
    *, traces: bool = True, tls: grpc.ServerCredentials | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Collector, str]]:
    """Run a collector and return it with its endpoint; `traces`: whether it takes those, too."""
    collector = Collector()
    server = grpc.aio.server()
    if traces:
        add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        add(_Traces(collector), server)  # type: ignore[no-untyped-call]
    add_metrics = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_metrics(_Metrics(collector), server)  # type: ignore[no-untyped-call]
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", tls)
    await server.start()
    try:
        yield collector, f"http{'s' if tls else ''}://{host}:{port}"
    finally:
        await server.stop(0)


def attributes(
    told: trace_pb2.Span
    | trace_pb2.Span.Event
    | metrics_pb2.HistogramDataPoint
    | resource_pb2.Resource,
) -> dict[str, Any]:
    """Return attributes as plain values."""
    return _plain(told.attributes)


def _plain(pairs: Iterable[common_pb2.KeyValue]) -> dict[str, Any]:
    found = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        array = [item.string_value for item in value.array_value.values]
        found[pair.key] = array if kind == "array_value" else getattr(value, kind or "string_value")
    return found
