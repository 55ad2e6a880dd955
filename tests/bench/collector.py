"""A collector that takes spans and forgets them.

python -m tests.bench.collector        prints its port, serves until it is killed
"""

import asyncio
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tests.bench.handshake import announce


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes everything."""

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the generated name
        """Take spans."""
        return trace_service_pb2.ExportTraceServiceResponse()


async def serve() -> None:
    """Serve on a free loopback port, announced on standard output, until killed."""
    server = grpc.aio.server()
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(Collector(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(str(port))
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
