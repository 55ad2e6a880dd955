"""Which proxy is taken for which address?"""

import pytest

from sluice_server.config.proxies import Proxy, UnusableProxyError, proxy_for, secrets_in

PROXY = "http://proxy.example:3128"
PASSWORD = "p@ss word/that-must-never-be-seen"
WITH_USER = "http://me:p%40ss%20word%2Fthat-must-never-be-seen@proxy.example:3128"


def taken(url: str, **environ: str) -> str | None:
    """Return the address of the proxy on the way to `url`."""
    proxy = proxy_for(url, environ)
    return None if proxy is None else proxy.url


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://api.example/v1", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"https_proxy": PROXY, "HTTPS_PROXY": "http://b:1"}, PROXY),
        ("https://api.example/v1", {"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"HTTP_PROXY": PROXY}, None),
        ("http://api.example/v1", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://api.example/v1", {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, None),
        ("https://api.example/v1", {"ALL_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"ALL_PROXY": "http://b:1", "HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.example/v1", {"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ("https://api.example/v1", {"HTTPS_PROXY": "http://[::1]:8"}, "http://[::1]:8"),
        ("https://api.example/v1", {}, None),
    ],
)
def test_by_variable(url: str, environ: dict[str, str], expected: str | None) -> None:
    """The scheme's variable counts before ALL_PROXY, small letters before capitals."""
    assert taken(url, **environ) == expected


@pytest.mark.parametrize(
    ("host", "excepted", "direct"),
    [
        ("api.example", "api.example", True),
        ("API.Example", "api.example", True),
        ("api.example", "example", True),
        ("api.example", ".example", True),
        ("api.example", "*.example", True),
        ("myexample", "example", False),
        ("example.evil.test", "example", False),
        ("api.example", "other, api.example", True),
        ("api.example", "*", True),
        ("api.example:8443", "api.example:8443", True),
        ("api.example:8443", "api.example:443", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("[fd00::1]", "fd00::/8", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("api.example", "", False),
        ("api.example", " , ,", False),
        ("api.example", "10.0.0.0/8,::/0", False),
    ],
)
def test_exceptions(host: str, excepted: str, direct: bool) -> None:
    """NO_PROXY names hosts, domains with all below them, networks, ports, or everything."""
    got = taken(f"https://{host}/v1", HTTPS_PROXY=PROXY, NO_PROXY=excepted)
    assert got == (None if direct else PROXY)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_never_behind_a_proxy(host: str) -> None:
    """Not even where nobody excepted it."""
    assert taken(f"http://{host}:8080/v1", HTTP_PROXY=PROXY, ALL_PROXY=PROXY) is None


@pytest.mark.parametrize(
    "value",
    ["socks5://proxy:1080", "https://proxy:1", "http://:3128", "http://p:notaport", "ftp://x"],
)
def test_what_cannot_be_used_is_not_passed_by(value: str) -> None:
    """An address that is not understood is a fault, and no reason to go without."""
    with pytest.raises(UnusableProxyError, match="HTTPS_PROXY") as caught:
        proxy_for("https://api.example", {"HTTPS_PROXY": value})
    assert value not in str(caught.value)


def test_passwords_are_secrets() -> None:
    """They are taken out of the address, shown nowhere, and known to whoever cleans logs."""
    environ = {"HTTPS_PROXY": WITH_USER}
    proxy = proxy_for("https://api.example", environ)
    assert isinstance(proxy, Proxy)
    assert proxy.url == PROXY
    assert "never-be-seen" not in repr(proxy)
    known = list(secrets_in(environ))
    assert PASSWORD in known
    assert proxy.authorization is not None
    assert proxy.authorization.removeprefix("Basic ") in known
    assert list(secrets_in({"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://x:y@z"})) == []
