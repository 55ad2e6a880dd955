"""Can tools learn the contract from the server itself?"""

from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.support.channels import reflection_on
from tests.support.server import RunningServer


async def test_services_and_their_files_are_listed(server: RunningServer) -> None:
    """The gateway, health and reflection are listed, and the contract's file can be had."""
    stub = reflection_on(server.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    listed = await call.read()
    assert {service.name for service in listed.list_services_response.service} >= {
        "sluice.v1.GatewayService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    wanted = "sluice.v1.GatewayService"
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=wanted))
    described = await call.read()
    await call.done_writing()
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(raw)
        for raw in described.file_descriptor_response.file_descriptor_proto
    ]
    (service,) = [service for file in files for service in file.service]
    assert [method.name for method in service.method] == [
        "Generate",
        "ListModels",
        "GetRateLimits",
        "GetMetrics",
    ]
