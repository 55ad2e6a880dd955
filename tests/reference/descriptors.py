"""Reads the contract out of proto/.

buf compiles it, since descriptors in Python's generated code come without comments.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from tests.reference.contract import (
    PACKAGE,
    Contract,
    Enum,
    Field,
    Message,
    Rpc,
    Service,
    Value,
)

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")

Place = tuple[int, ...]
"""Where something stands in its file, as `SourceCodeInfo.Location.path` counts."""
Comments = Mapping[Place, str]


def load() -> Contract:
    """Compile proto/ and read it; raises CalledProcessError where buf refuses it."""
    image = subprocess.run(
        [BUF, "build", "-o", "-"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    files = [file for file in FileDescriptorSet.FromString(image).file if file.package == PACKAGE]
    read = [(file, _comments(file)) for file in files]
    (comment,) = {comments[2,] for _, comments in read if comments.get((2,))}
    return Contract(
        comment=comment,
        services=tuple(
            _service(service, (6, place), comments)
            for file, comments in read
            for place, service in enumerate(file.service)
        ),
        types={
            f"{PACKAGE}.{kind.name}": kind
            for file, comments in read
            for kind in _types(file, comments)
        },
    )


def _comments(file: FileDescriptorProto) -> Comments:
    return {
        tuple(location.path): "\n".join(
            line.strip() for line in location.leading_comments.strip().splitlines()
        )
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _types(file: FileDescriptorProto, comments: Comments) -> Iterator[Message | Enum]:
    """Return a file's messages and enums in the order in which they stand in it."""
    lines = {tuple(at.path): at.span[0] for at in file.source_code_info.location}
    found: list[tuple[int, Message | Enum]] = [
        *((lines[4, i], _message(it, (4, i), comments)) for i, it in enumerate(file.message_type)),
        *((lines[5, i], _enum(it, (5, i), comments)) for i, it in enumerate(file.enum_type)),
    ]
    return (kind for _, kind in sorted(found, key=lambda at: at[0]))


def _message(message: DescriptorProto, place: Place, comments: Comments) -> Message:
    entries = {
        f".{PACKAGE}.{message.name}.{nested.name}": nested
        for nested in message.nested_type
        if nested.options.map_entry
    }
    assert len(entries) == len(message.nested_type), "the page has no place for nested messages"
    assert not message.enum_type, "the page has no place for nested enums"
    oneofs = {
        oneof.name: comments[*place, 8, i]
        for i, oneof in enumerate(message.oneof_decl)
        if not oneof.name.startswith("_")
    }
    return Message(
        name=message.name,
        fields=tuple(
            _field(field, message, entries.get(field.type_name), comments[*place, 2, i])
            for i, field in enumerate(message.field)
        ),
        oneofs=oneofs,
        comment=comments[place],
    )


def _field(
    field: FieldDescriptorProto,
    message: DescriptorProto,
    entry: DescriptorProto | None,
    comment: str,
) -> Field:
    label = ""
    if field.proto3_optional:
        label = "optional"
    elif field.label == FieldDescriptorProto.LABEL_REPEATED and entry is None:
        label = "repeated"
    in_oneof = field.HasField("oneof_index") and not field.proto3_optional
    return Field(
        name=field.name,
        type=_type(entry.field[1] if entry else field),
        label=label,
        key=_type(entry.field[0]) if entry else "",
        oneof=message.oneof_decl[field.oneof_index].name if in_oneof else "",
        comment=comment,
    )


def _type(field: FieldDescriptorProto) -> str:
    if field.type_name:
        return field.type_name.removeprefix(".")
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _enum(enum: EnumDescriptorProto, place: Place, comments: Comments) -> Enum:
    values = tuple(
        Value(value.name, value.number, comments[*place, 2, i])
        for i, value in enumerate(enum.value)
    )
    return Enum(enum.name, values, comments[place])


def _service(service: ServiceDescriptorProto, place: Place, comments: Comments) -> Service:
    rpcs = []
    for i, method in enumerate(service.method):
        assert not method.client_streaming, "the page has no words for streamed requests"
        request, response = method.input_type[1:], method.output_type[1:]
        streams = method.server_streaming
        rpcs.append(Rpc(method.name, request, response, streams, comments[*place, 2, i]))
    return Service(service.name, tuple(rpcs), comments[place])
