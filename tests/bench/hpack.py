"""Header blocks (RFC 7541), as far as a client needs them that allows no dynamic table.

A client that announces a table size of 0 is only sent static references and literals. Values
may be Huffman-coded; they are kept undecoded, since nothing that the bench reads is sent so by
gRPC servers, and a name that is Huffman-coded is an error.
"""

from typing import Final

from tests.bench.errors import BenchError

# RFC 7541, appendix A. Only names matter here, except for `:status`.
_STATIC_TABLE: Final = (
    ":authority :method :method :path :path :scheme :scheme :status :status :status :status "
    ":status :status :status accept-charset accept-encoding accept-language accept-ranges accept "
    "access-control-allow-origin age allow authorization cache-control content-disposition "
    "content-encoding content-language content-length content-location content-range "
    "content-type cookie date etag expect expires from host if-match if-modified-since "
    "if-none-match if-range if-unmodified-since last-modified link location max-forwards "
    "proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
    "strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)
_STATIC_NAMES: Final = tuple(_STATIC_TABLE.split())
_STATUS_VALUES: Final = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}

_INDEXED: Final = 0x80
_LITERAL_INDEXING: Final = 0x40
_TABLE_SIZE_UPDATE: Final = 0x20


def encode(headers: list[tuple[str, str]]) -> bytes:
    """Return a block of literals without indexing. Names and values are shorter than 127."""
    block = bytearray()
    for name, value in headers:
        block.append(0)
        for text in (name, value):
            block.append(len(text))
            block += text.encode("ascii")
    return bytes(block)


def decode(block: bytes) -> dict[str, str]:
    """Return the headers of a block; of a repeated name the last value.

    Raises:
        BenchError: the block uses a dynamic table or a Huffman-coded name.
    """
    headers: dict[str, str] = {}
    position = 0
    while position < len(block):
        first = block[position]
        if first & _INDEXED:
            index, position = _integer(block, position, 7)
            headers[_name(index)] = _STATUS_VALUES.get(index, "")
            continue
        if first & _LITERAL_INDEXING:
            index, position = _integer(block, position, 6)
        elif first & _TABLE_SIZE_UPDATE:
            _, position = _integer(block, position, 5)
            continue
        else:
            index, position = _integer(block, position, 4)
        if index:
            name = _name(index)
        else:
            raw, coded, position = _string(block, position)
            if coded:
                raise BenchError("The server sends Huffman-coded header names.")
            name = raw.decode("ascii")
        raw, coded, position = _string(block, position)
        headers[name] = "(Huffman-coded)" if coded else raw.decode("latin-1")
    return headers


def _name(index: int) -> str:
    if not 1 <= index <= len(_STATIC_NAMES):
        raise BenchError(f"The server uses header index {index} of a table that is empty.")
    return _STATIC_NAMES[index - 1]


def _integer(block: bytes, position: int, prefix_bits: int) -> tuple[int, int]:
    """Return an integer (section 5.1) and the position after it."""
    limit = (1 << prefix_bits) - 1
    value = block[position] & limit
    position += 1
    if value < limit:
        return value, position
    shift = 0
    while True:
        octet = block[position]
        position += 1
        value += (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return value, position


def _string(block: bytes, position: int) -> tuple[bytes, bool, int]:
    """Return a string (section 5.2), whether it is Huffman-coded, and the position after it."""
    coded = bool(block[position] & 0x80)
    length, position = _integer(block, position, 7)
    return block[position : position + length], coded, position + length
