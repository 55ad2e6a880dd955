"""Addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.config.addresses import Address, is_internal, is_loopback, parse


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("[::1]:0", "::1", 0),
        ("[::]:65535", "::", 65535),
        ("localhost:80", "localhost", 80),
        ("gateway-0.sluice.svc:50051", "gateway-0.sluice.svc", 50051),
    ],
)
def test_addresses_are_read(text: str, host: str, port: int) -> None:
    """Host and port come apart, and together they are the text again."""
    address = parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("unix:/run/sluice.sock", "unix sockets"),
        ("/run/sluice.sock", "unix sockets"),
        (":50051", "must name a host"),
        ("50051", "must be host:port"),
        ("::1:50051", "must be host:port"),
        ("[::1]", "must be host:port"),
        ("[not-v6]:1", "IPv6"),
        ("127.0.0.1:65536", "between 0 and 65535"),
        ("127.0.0.1:-1", "must be host:port"),
        ("a b:1", "valid host name"),
        ("http://a:1", "must be host:port"),
        ("", "must be host:port"),
    ],
)
def test_other_texts_are_refused(text: str, complaint: str) -> None:
    """What is no address is refused with a sentence about the reason."""
    with pytest.raises(ValueError, match=complaint):
        parse(text)


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is either an address, whose text reads back the same, or a ValueError."""
    try:
        address = parse(text)
    except ValueError:
        return
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_is_judged_by_the_text(host: str, expected: bool) -> None:
    """Only addresses that cannot leave the machine count; names other than localhost may."""
    assert is_loopback(host) is expected
    assert Address(host, 1).is_loopback is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("127.0.0.1", "::1", "localhost", "10.1.2.3", "192.168.0.1")),
        *((host, True) for host in ("172.16.0.1", "fd00::1", "fe80::1", "169.254.1.1")),
        *((host, True) for host in ("vllm", "VLLM", "vllm.default.svc", "a.svc.cluster.local")),
        *((host, True) for host in ("box.home.arpa", "gpu.internal.", "::ffff:10.0.0.1")),
        *((host, False) for host in ("api.openai.com", "8.8.8.8", "2606:4700::1", "172.32.0.1")),
        *((host, False) for host in ("internal.example.com", "svc.example", "")),
        *((host, False) for host in ("10.0.0.1.example.com", "::ffff:8.8.8.8", "my-internal.com")),
    ],
)
def test_private_networks_are_judged_by_the_text(host: str, expected: bool) -> None:
    """Private addresses count, and names that only private networks have; nothing is looked up."""
    assert is_internal(host) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "[::]:1", True),
        ("127.0.0.1:1", "127.0.0.2:1", False),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_overlapping_addresses_are_seen(one: str, other: str, expected: bool) -> None:
    """Two addresses overlap if they cannot both be bound; port 0 is never the same port twice."""
    assert parse(one).overlaps(parse(other)) is expected
    assert parse(other).overlaps(parse(one)) is expected
