"""The floor: a bare `grpc.aio` server over a bare `httpx-aiohttp` transport, and nothing else.

It is the least that a gateway built from the same two libraries can cost. It parses the request,
writes a body with its last user text, sends it and passes on what it reads, one gRPC message per
upstream read. It neither reads the answer nor builds a message from it: the bytes of the stream
leave as they came, which is less than any gateway with a contract of its own can do. No status
is mapped, no deadline kept, nothing is logged or counted.

    python -m tests.bench.floor UPSTREAM_PORT        prints its port, serves until it is killed
"""

import json
import sys
from collections.abc import AsyncIterator

import grpc
import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from sluice.v1.gateway_service_pb2 import GenerateRequest
from tests.bench.handshake import announce
from tests.bench.plan import METHOD, UPSTREAM_MODEL

MAX_CONNECTIONS = 4096
"""More than any `--concurrency`; the transport's own default of 100 would make calls queue."""


class Relay:
    """Passes calls through to one upstream."""

    def __init__(self, upstream_port: int) -> None:
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS)
        self._transport = AiohttpTransport(verify=False, trust_env=False, limits=limits)
        self._url = httpx.URL(f"http://127.0.0.1:{upstream_port}/v1/chat/completions")

    async def generate(
        self, request: GenerateRequest, _: "grpc.aio.ServicerContext[GenerateRequest, bytes]"
    ) -> AsyncIterator[bytes]:
        """Yield the upstream's bytes as they are read."""
        text = request.messages[-1].parts[-1].text
        body = {
            "model": UPSTREAM_MODEL,
            "messages": [{"role": "user", "content": text}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        upstream_request = httpx.Request(
            "POST",
            self._url,
            headers={"content-type": "application/json", "authorization": "Bearer bench"},
            content=json.dumps(body).encode(),
        )
        response = await self._transport.handle_async_request(upstream_request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            async for piece in response.stream:
                yield piece
        finally:
            await response.stream.aclose()


async def serve(upstream_port: int) -> None:
    """Serve on a free loopback port, announced on standard output, until killed."""
    relay = Relay(upstream_port)
    service, method = METHOD.strip("/").split("/")
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[GenerateRequest, bytes] = grpc.unary_stream_rpc_method_handler(
        relay.generate, request_deserializer=GenerateRequest.FromString
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    announce(str(port))
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
