"""Certificates for tests: an authority, a server and a client that it knows, and strangers.

Where certificates are asked for is the tests' business.
"""

from pathlib import Path

import trustme


def certificates(folder: Path) -> Path:
    """Fill a folder with PEM files and return it.

    `ca.pem` is an authority, `server` and `client` (`.pem` and `.key`) are by it; `stranger` is by
    another one, `stranger-ca.pem`. All are for localhost and 127.0.0.1.
    """
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "stranger-ca.pem")
    for name, issuer in (("server", authority), ("client", authority), ("stranger", other)):
        issued = issuer.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        for pem in issued.cert_chain_pems:
            pem.write_to_path(folder / f"{name}.pem", append=True)
    return folder


def tls_settings(folder: Path, *, mutual: bool = False) -> dict[str, str]:
    """Return the setting `tls` of a server with these certificates."""
    tls = {"cert": str(folder / "server.pem"), "key": str(folder / "server.key")}
    return tls | ({"client_ca": str(folder / "ca.pem")} if mutual else {})
