"""Whether something would leave this machine in the clear."""

from urllib.parse import urlsplit

from sluice_server.config import addresses
from sluice_server.config.checks.view import View


def leaves_in_the_clear(view: View, url: str, *switch: str | int) -> bool:
    """Tell whether an address would be called without TLS beyond this machine, unallowed."""
    if not url.startswith("http://"):
        return False
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return view.flag(*switch, default=False) is False and not addresses.is_loopback(host)
