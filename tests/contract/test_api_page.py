"""Does the page of the contract hold all of it, and do its links lead somewhere?

What is expected comes from the generated code, and not from how the page is written.
"""

import re
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor

from sluice.v1 import error_reason_pb2, gateway_service_pb2
from sluice_server import errors
from tests.reference.contract import Contract
from tests.reference.descriptors import ROOT, load
from tests.reference.page import FILE, page
from tests.reference.prose import Prose


@pytest.fixture(scope="module")
def contract() -> Contract:
    """What buf reads in proto/."""
    return load()


@pytest.fixture(scope="module")
def text(contract: Contract) -> str:
    """The page."""
    return page(contract)


def _files(file: FileDescriptor) -> Iterator[FileDescriptor]:
    yield file
    for needed in file.dependencies:
        if needed.package == file.package:
            yield from _files(needed)


def _types() -> list[Descriptor | EnumDescriptor]:
    """Return the messages and enums of the generated code."""
    roots = (gateway_service_pb2.DESCRIPTOR, error_reason_pb2.DESCRIPTOR)
    names = {file.name for root in roots for file in _files(root)}
    files = [descriptor_pool.Default().FindFileByName(name) for name in sorted(names)]
    messages = [kind for file in files for kind in file.message_types_by_name.values()]
    enums = [kind for file in files for kind in file.enum_types_by_name.values()]
    return [*messages, *enums]


def _section(text: str, name: str) -> str:
    found = re.search(rf"^###? {name}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no heading"
    return found[1]


def _rows(section: str) -> list[list[str]]:
    """Return the cells of a section's rows, without the two lines above them."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_page_is_the_contracts(text: str) -> None:
    """`make docs` was run after the last change of proto/."""
    assert (ROOT / "docs/reference" / FILE).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("kind", _types(), ids=lambda kind: str(kind.name))
def test_every_type_is_there_once_and_whole(text: str, kind: Descriptor | EnumDescriptor) -> None:
    """A message has a row for each field and choice, an enum one for each value and number."""
    assert len(re.findall(rf"^###? {kind.name}$", text, re.MULTILINE)) == 1
    rows = _rows(_section(text, kind.name))
    if isinstance(kind, EnumDescriptor):
        assert [(row[0], row[1]) for row in rows] == [
            (f"`{value.name}`", str(value.number)) for value in kind.values
        ]
        return
    fields = [row[0].removeprefix("↳ ") for row in rows if row[1] != "one of"]
    assert fields == [f"`{field.name}`" for field in kind.fields]
    choices = [oneof.name for oneof in kind.oneofs if not oneof.name.startswith("_")]
    assert [row[0] for row in rows if row[1] == "one of"] == [f"*{name}*" for name in choices]
    assert len({len(row) for row in rows}) <= 1, "a row with a cell too many or too few"


def test_presence_is_told(text: str) -> None:
    """A field that may be absent is told from one that is 0, and a choice from its neighbours."""
    for kind in _types():
        if isinstance(kind, EnumDescriptor):
            continue
        rows = {row[0]: row for row in _rows(_section(text, kind.name))}
        for field in kind.fields:
            oneof = field.containing_oneof
            chosen = oneof is not None and not oneof.name.startswith("_")
            row = rows[f"{'↳ ' * chosen}`{field.name}`"]
            assert row[1].endswith("?`") == (oneof is not None and not chosen)
            assert row[1].startswith("repeated ") == (
                field.is_repeated and not row[1].startswith("map of ")
            )


def test_rpcs_come_in_order_with_what_they_take_and_give(text: str) -> None:
    """Each RPC has a heading, and its request and response are below it."""
    (service,) = gateway_service_pb2.DESCRIPTOR.services_by_name.values()
    names = [
        name
        for method in service.methods
        for name in (method.name, method.input_type.name, method.output_type.name)
    ]
    headings = re.findall(r"^###? (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in names] == names


def test_links_lead_to_headings(text: str) -> None:
    """No link of the page is dead, and no two headings have the same anchor."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)
    for target in re.findall(r"\]\(([^#)]+)\)", text):
        assert (ROOT / "docs/reference" / target).exists(), target


def test_statuses_of_errors_are_the_gateways(text: str) -> None:
    """The table's status of each reason is the one with which the gateway tells it."""
    rows = _rows(_section(text, "ErrorReason"))
    told = {row[0].strip("`").removeprefix("ERROR_REASON_"): row[2].strip("`") for row in rows}
    assert told.pop("UNSPECIFIED") == ""
    leaves = [
        leaf
        for leaf in vars(errors).values()
        if isinstance(leaf, type)
        and issubclass(leaf, errors.SluiceError)
        and "reason" in vars(leaf)
    ]
    assert {leaf.reason: leaf.code for leaf in leaves if leaf.reason in told} == told
    assert set(told.values()) <= {code.name for code in grpc.StatusCode}


@pytest.mark.parametrize(
    ("comment", "set_as"),
    [
        ("What Generate can call.", "What [Generate](#generate) can call."),
        ("Generate calls.", "Generate calls."),
        ("GenerateRequest is one turn.", "[GenerateRequest](#generaterequest) is one turn."),
        (
            "It goes after GenerateRequest.model.",
            "It goes after [`GenerateRequest.model`](#generaterequest).",
        ),
        ('Type, for example "image/png".', "Type, for example `image/png`."),
        ("Over max_cost_usd_nanos.", "Over `max_cost_usd_nanos`."),
        ("Names are [a-z0-9_-]{1,64}.", "Names are `[a-z0-9_-]{1,64}`."),
        ("Share of time, [0, 1].", "Share of time, [0, 1]."),
        ("Own, on\ntwo lines.", "Own, on two lines."),
        ("Own.kind of Own.", "`Own.kind` of Own."),
        ("a | b", "a \\| b"),
    ],
)
def test_comments_are_set(comment: str, set_as: str) -> None:
    """Names become links where they are names, literals code, and intervals stay text."""
    prose = Prose({name: f"#{name.lower()}" for name in ("Generate", "GenerateRequest", "Own")})
    assert prose.line(comment, "Own") == set_as
