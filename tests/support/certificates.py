"""Certificates for tests: an authority, a server and a client that it knows, and strangers.

Where certificates are asked for is the tests' business.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("localhost", "127.0.0.1")
"""What servers in tests are called by."""


def certificates(folder: Path) -> Path:
    """Fill a folder with PEM files and return it.

    `ca.pem` is an authority, `server` and `client` (`.pem` and `.key`) are by it; `stranger` is by
    another one, `stranger-ca.pem`. All are for localhost and 127.0.0.1.
    """
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "stranger-ca.pem")
    for name, issuer in (("server", authority), ("client", authority), ("stranger", other)):
        certificate(folder, name, issuer)
    return folder


def certificate(folder: Path, name: str, authority: trustme.CA) -> None:
    """Write a certificate by this authority, and its key, in place of those that are there."""
    issued = authority.issue_cert(*NAMES)
    issued.private_key_pem.write_to_path(folder / f"{name}.key")
    (folder / f"{name}.pem").write_bytes(b"".join(p.bytes() for p in issued.cert_chain_pems))


def identity(
    folder: Path,
    name: str,
    authority: trustme.CA,
    *,
    uris: Sequence[str] = (),
    dns: Sequence[str] = (),
    common_name: str = "",
) -> None:
    """Write a client's certificate that says who it is in these ways, and its key."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else []
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    names = [*map(x509.UniformResourceIdentifier, uris), *map(x509.DNSName, dns)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
    (folder / f"{name}.pem").write_bytes(
        builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def tls_settings(folder: Path, *, mutual: bool = False) -> dict[str, str]:
    """Return the setting `tls` of a server with these certificates."""
    tls = {"cert": str(folder / "server.pem"), "key": str(folder / "server.key")}
    return tls | ({"client_ca": str(folder / "ca.pem")} if mutual else {})
