"""Write the standard contracts that gateways speak beside `sluice.v1` to standard output.

Neither the details of an error (google.rpc) nor gRPC's health service has a file in
`proto/`; the descriptors in the locked Python packages are the same contracts.
"""

# ruff: noqa: INP001  a program, in no package

import sys

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2


def add(file: FileDescriptor, files: FileDescriptorSet) -> None:
    """Add a file after those it imports, as readers of a set expect them."""
    for imported in file.dependencies:
        add(imported, files)
    if all(known.name != file.name for known in files.file):
        file.CopyToProto(files.file.add())


if __name__ == "__main__":
    standard = FileDescriptorSet()
    for module in (error_details_pb2, status_pb2, health_pb2):
        add(module.DESCRIPTOR, standard)
    sys.stdout.buffer.write(standard.SerializeToString(deterministic=True))
