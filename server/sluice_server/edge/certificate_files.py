"""The server's certificate, read again when its files change.

gRPC asks before each handshake, on a thread of its own: files are looked at, and read only when
they changed. What cannot be used leaves what was there; a certificate that is written before its
key does not fit it for a moment.
"""

from __future__ import annotations

import threading
from datetime import datetime

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sluice_server.config import settings
from sluice_server.telemetry import names

_log = structlog.get_logger("sluice.tls")

Stamp = tuple[tuple[int, int, int], ...]
"""What changes when a file does: time, size and inode of each."""


class UnusableCertificateError(OSError):
    """Certificate, key and authorities cannot be used together."""


class CertificateFiles:
    """The files of `tls`."""

    def __init__(self, tls: settings.Tls) -> None:
        """Read them.

        Raises:
            UnusableCertificateError: they cannot be used.
        """
        self._tls = tls
        self._paths = tuple(path for path in (tls.cert, tls.key, tls.client_ca) if path is not None)
        self._lock = threading.Lock()
        self._stamp: Stamp = ()
        self._expires: datetime | None = None
        self._told = ""
        """Why the files could not be used at last; each reason is logged once in a row."""
        try:
            self._stamp = self._look()
            self._configuration = self._load()
        except (OSError, ValueError, TypeError) as error:
            raise UnusableCertificateError(f"tls cannot be used: {error}") from error

    def credentials(self) -> grpc.ServerCredentials:
        """Return what makes a port speak TLS with them."""
        # Python's gRPC knows compulsory client certificates or none (docs/decisions/0046).
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            self.changed,  # type: ignore[arg-type] # the stubs do not know that None is no change
            require_client_authentication=self._tls.client_ca is not None,
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is to be used from now on; None for no change. Never raises."""
        with self._lock:
            try:
                stamp = self._look()
                if stamp == self._stamp:
                    return None
                self._stamp = stamp
                self._configuration = self._load()
            except (OSError, ValueError, TypeError) as error:
                reason = _reason(error)
                if reason != self._told:
                    _log.error(names.CERTIFICATE_UNUSABLE, message=reason)
                self._told = reason
                if isinstance(error, OSError):
                    # What could not be read may come back as it was.
                    self._stamp = ()
                return None
            self._told = ""
            _log.info(names.CERTIFICATE_RELOADED, expires=str(self._expires))
            return self._configuration

    def _look(self) -> Stamp:
        stats = (path.stat() for path in self._paths)
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)

    def _load(self) -> grpc.ServerCertificateConfiguration:
        chain, key = self._tls.cert.read_bytes(), self._tls.key.read_bytes()
        self._expires = _expiry_of_pair(chain, key)
        authorities = None
        if self._tls.client_ca is not None:
            authorities = self._tls.client_ca.read_bytes()
            _certificates(authorities)
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)


def _expiry_of_pair(chain: bytes, key: bytes) -> datetime:
    """Return when the first certificate of the chain to expire does.

    Raises:
        ValueError: it is none, or another key's.
    """
    certificates = _certificates(chain)
    try:
        public = load_pem_private_key(key, None).public_key()
    except TypeError:
        raise ValueError("the key has a passphrase") from None
    except ValueError:
        raise ValueError("the key is not in PEM format") from None
    if public != certificates[0].public_key():
        raise ValueError("the key does not belong to the certificate")
    return min(one.not_valid_after_utc for one in certificates)


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError("a certificate is not in PEM format") from None


def _reason(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else str(error)
