"""The small types that settings are made of, each with the rule for one written value.

Every rule here looks at one value alone. What needs two values, a file or the environment is
judged in `checks`. No message repeats the value: it may be a secret in the wrong place.
"""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from sluice_server.config import addresses

LONGEST_NAME = 128
LONGEST_CLAIM = 512
SHORTEST_TOKEN = 16
DAY_SECONDS = 86_400
WEBHOOK_SECRET_PREFIX = "whsec_"
"""Starts a secret that is base64: https://www.standardwebhooks.com"""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"[!-~]([\t !-~]*[!-~])?", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+", re.ASCII)
_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_TOKEN_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}", re.ASCII)
_LABEL_KEY = re.compile(r"[a-z0-9_.-]{1,63}", re.ASCII)

CREDENTIAL_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key"}
)
"""Headers that carry a key: `credentials` sets them, so that keys can be pooled and rotated."""

TRANSPORT_HEADERS = frozenset(
    {
        # Of one connection only: RFC 9110, 7.6.1, and the old spellings of it.
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers"),
        *("transfer-encoding", "upgrade", "proxy-authenticate", "expect"),
        # Follow from the address and the body.
        *("host", "content-length", "content-type", "content-encoding"),
        *("accept", "accept-encoding"),
        # Follow from the span of the call.
        *("traceparent", "tracestate"),
    }
)
"""Headers that the gateway itself must set rightly for an exchange to work at all."""


def _address(text: str) -> str:
    return str(addresses.parse(text))


def _provider_name(text: str) -> str:
    if not _PROVIDER_NAME.fullmatch(text):
        raise ValueError(
            "must be a provider name: 1 to 63 of a-z, 0-9 and '-', not starting with '-'"
        )
    return text


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError(
            "must be 1 to 63 of letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return text


def _label_key(text: str) -> str:
    if not _LABEL_KEY.fullmatch(text):
        raise ValueError("must be 1 to 63 of a-z, 0-9, '_', '.' and '-', as keys of labels are")
    return text


def _model_name(text: str) -> str:
    if (
        not text
        or len(text) > LONGEST_NAME
        or any(c.isspace() or not c.isprintable() for c in text)
    ):
        raise ValueError(
            f"must be a model name: 1 to {LONGEST_NAME} characters without white space"
        )
    return text


def _virtual_model_name(text: str) -> str:
    if "/" in text:
        raise ValueError("must not contain a slash: provider/model names are taken")
    return _model_name(text)


def _target(text: str) -> str:
    provider, slash, model = text.partition("/")
    if not slash or not _PROVIDER_NAME.fullmatch(provider):
        raise ValueError("must be provider/model, for example openai/gpt-4.1-mini")
    _model_name(model)
    return text


def _address_of(text: str) -> None:
    """Refuse what is no http address, or names a user."""
    if not _VISIBLE.fullmatch(text):
        raise ValueError("must be an address of visible ASCII characters without white space")
    try:
        parts = urlsplit(text)
        port_is_good = parts.port != 0
    except ValueError:
        raise ValueError("must be a valid http:// or https:// address") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must start with https:// (or http://)")
    if not parts.hostname or not port_is_good:
        raise ValueError("must be a valid http:// or https:// address")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or password; use credentials or headers")


def _url(text: str) -> str:
    _address_of(text)
    if "?" in text or "#" in text:
        raise ValueError("must not contain a query or fragment")
    return text.rstrip("/")


def _webhook_url(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    _address_of(text)
    if "#" in text:
        raise ValueError("must not contain a fragment")
    return secret


def _webhook_secret(secret: SecretStr) -> SecretStr:
    _token(secret)
    text = secret.get_secret_value()
    if text.startswith(WEBHOOK_SECRET_PREFIX):
        try:
            base64.b64decode(text.removeprefix(WEBHOOK_SECRET_PREFIX), validate=True)
        except binascii.Error:
            raise ValueError(f"must be base64 after {WEBHOOK_SECRET_PREFIX}") from None
    return secret


def _header_name(text: str) -> str:
    if not _HEADER_NAME.fullmatch(text):
        raise ValueError("must be a valid HTTP header name")
    if text.lower() in CREDENTIAL_HEADERS:
        raise ValueError("must not be set as a header: keys belong under credentials")
    if text.lower() in TRANSPORT_HEADERS:
        raise ValueError("must not be set: the gateway sets this header itself")
    return text.lower()


def _header_value(secret: SecretStr) -> SecretStr:
    if not _HEADER_VALUE.fullmatch(secret.get_secret_value()):
        raise ValueError("must be visible ASCII, not empty, without white space at the ends")
    return secret


def _key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text:
        raise ValueError("must not be empty")
    if not _VISIBLE.fullmatch(text):
        raise ValueError("must be visible ASCII without white space or line ends")
    return secret


def _token(secret: SecretStr) -> SecretStr:
    _key(secret)
    if len(secret.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"must have at least {SHORTEST_TOKEN} characters")
    return secret


def _token_hash(text: str) -> str:
    if not _TOKEN_HASH.fullmatch(text):
        raise ValueError(
            "must be sha256: and 64 hexadecimal digits, as `sluice-server token new` writes it"
        )
    return text.lower()


def _certificate_identity(text: str) -> str:
    kind, _, name = text.partition(":")
    if kind not in {"uri", "dns", "cn"} or not name or not text.isprintable():
        raise ValueError("must be uri:, dns: or cn: and the name that stands in the certificate")
    # Names of hosts have no case.
    return text.lower() if kind == "dns" else text


def _subject(text: str) -> str:
    if not text or len(text) > LONGEST_CLAIM or not text.isprintable():
        raise ValueError(f"must be 1 to {LONGEST_CLAIM} printable characters")
    return text


def _path(path: Path) -> Path:
    # Path("") is "."; a null byte would fail later, and with another error.
    if path == Path() or "\0" in str(path):
        raise ValueError("must be the path of a file")
    return path


def _no_boolean(value: object) -> object:
    # Pydantic would read `slots: true` as 1.
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - pydantic wants it
    return value


NOT_BOOLEAN = BeforeValidator(_no_boolean)

ListenAddress = Annotated[str, AfterValidator(_address)]
ProviderName = Annotated[str, AfterValidator(_provider_name)]
Label = Annotated[str, AfterValidator(_label)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
ModelName = Annotated[str, AfterValidator(_model_name)]
VirtualModelName = Annotated[str, AfterValidator(_virtual_model_name)]
Target = Annotated[str, AfterValidator(_target)]
Url = Annotated[str, AfterValidator(_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
ApiKey = Annotated[SecretStr, AfterValidator(_key)]
ModelPattern = Annotated[str, AfterValidator(_model_name)]
TokenHash = Annotated[str, AfterValidator(_token_hash)]
CertificateIdentity = Annotated[str, AfterValidator(_certificate_identity)]
Subject = Annotated[str, AfterValidator(_subject)]
IssuerName = Annotated[str, AfterValidator(_subject)]
Token = Annotated[SecretStr, AfterValidator(_token)]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
FilePath = Annotated[Path, AfterValidator(_path)]
Wait = Annotated[float, Field(gt=0, le=DAY_SECONDS, allow_inf_nan=False), NOT_BOOLEAN]
Pause = Annotated[float, Field(ge=0, le=DAY_SECONDS, allow_inf_nan=False), NOT_BOOLEAN]
KeepaliveWait = Annotated[float, Field(ge=1, le=DAY_SECONDS, allow_inf_nan=False), NOT_BOOLEAN]
