"""The settings of one OAuth credential: how access tokens are got, and with what.

Shape, and which keys a grant needs or has no use for. How the grants work is in
`credentials.oauth`; no client id of anybody's own application is a default here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from sluice_server.config import addresses
from sluice_server.config.values import NOT_BOOLEAN, FilePath, HeaderName, HeaderValue, Url

Grant = Literal[
    "refresh_token",
    "client_credentials",
    "jwt_bearer",
    "token_exchange",
    "google_adc",
    "google_service_account",
    "device",
    "openrouter",
]

_LONGEST_TEXT = 4096


def _private(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not addresses.is_loopback(parts.hostname or ""):
        raise ValueError("must start with https:// unless it is on this machine: it gets secrets")
    return url


def _text(text: str) -> str:
    if not text or len(text) > _LONGEST_TEXT or any(not c.isprintable() for c in text):
        raise ValueError("must be a line of text, not empty")
    return text


def _secret_text(secret: SecretStr) -> SecretStr:
    _text(secret.get_secret_value())
    return secret


def _no_text(value: object) -> object:
    # Pydantic would refuse it too, but not say what to write instead.
    if isinstance(value, str):
        raise ValueError("must be a list: the program, then each argument")  # noqa: TRY004 - pydantic wants it
    return value


TokenUrl = Annotated[Url, AfterValidator(_private)]
Text = Annotated[str, AfterValidator(_text)]
SecretText = Annotated[SecretStr, AfterValidator(_secret_text)]
Command = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_no_text)]

_ANYWHERE = frozenset({"grant", "scopes", "default_lifetime_seconds"})
_ENDPOINT = frozenset({"token_url", "headers", "ca_file"})
_CLIENT = _ENDPOINT | {"client_id", "client_secret", "client_auth", "body", "fields"}
_ASSERTION = _CLIENT | {"assertion_file", "assertion_command"}
_TAKES: Mapping[str, frozenset[str]] = {
    "refresh_token": _CLIENT | {"refresh_token", "token_directory"},
    "client_credentials": _CLIENT,
    "jwt_bearer": _ASSERTION,
    "token_exchange": _ASSERTION | {"subject_token_type"},
    "google_adc": frozenset(),
    "google_service_account": frozenset({"key_file"}),
    "device": _CLIENT | {"device_url", "pkce", "token_directory"},
    "openrouter": _ENDPOINT | {"login_url", "redirect_port", "token_directory"},
}
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "refresh_token": ("token_url",),
    "client_credentials": ("token_url", "client_id"),
    "jwt_bearer": ("token_url",),
    "token_exchange": ("token_url",),
    "google_service_account": ("key_file",),
    "device": ("token_url", "device_url", "client_id"),
}


class OAuth(BaseModel):
    """How a credential gets access tokens, instead of an `api_key`. See the guide about OAuth."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    grant: Grant
    """How tokens are got. `refresh_token`: from a refresh token that you have, or that
    `sluice-server login` got. `client_credentials`: with the client's own id and secret.
    `jwt_bearer` and `token_exchange`: for a token that your platform gives to the workload.
    `google_adc` and `google_service_account`: as Google's libraries do. `device` and `openrouter`:
    after `sluice-server login`."""

    token_url: TokenUrl | None = None
    """Token endpoint. https, or http on this machine. Required except for the grants of Google;
    `openrouter` has its own."""

    ca_file: FilePath | None = None
    """Authorities, PEM, whose certificates are accepted from `token_url` and `device_url`, and no
    others. Absent: those that the machine trusts. A relative path starts at the config file."""

    client_id: Text | None = None
    """Id of your client at the authorization server. Use one that was registered for you: the ids
    of a vendor's own applications belong to those."""

    client_secret: SecretText | None = None
    """Secret of the client. Absent: a public client."""

    client_auth: Literal["body", "basic"] = "body"
    """Where id and secret of the client go: `body`, as fields beside the others; `basic`, as HTTP
    basic authentication."""

    refresh_token: SecretText | None = None
    """First refresh token. Secret. What the server gives later replaces it and is kept in
    `token_directory` or the shared state; a changed value here starts over from it."""

    scopes: tuple[Text, ...] = ()
    """Scopes to ask for. Empty: the server's default; for the grants of Google
    `https://www.googleapis.com/auth/cloud-platform`."""

    body: Literal["form", "json"] = "form"
    """Form of the token request. `form` is the standard's; some servers want `json`."""

    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Extra headers of the token request, such as `anthropic-beta`. Values are secret."""

    fields: Mapping[Text, SecretText] = Field(default_factory=dict)
    """Extra fields of the token request, such as `audience`. Values are secret."""

    assertion_file: FilePath | None = None
    """File with the token that proves who the workload is; read for every token request, since
    platforms renew it."""

    assertion_command: Command | None = None
    """Program, with its arguments, that prints that token; run for every token request, without a
    shell."""

    subject_token_type: Text = "urn:ietf:params:oauth:token-type:jwt"
    """Type of the exchanged token (grant `token_exchange`)."""

    key_file: FilePath | None = None
    """Key file of the service account, JSON (grant `google_service_account`)."""

    device_url: TokenUrl | None = None
    """Address that starts a login on another device (grant `device`)."""

    pkce: bool = True
    """Tie the login to this process with a code challenge (grant `device`). Off for servers
    that refuse fields they don't know."""

    login_url: TokenUrl | None = None
    """Page of the login (grant `openrouter`). Absent: the provider's own."""

    redirect_port: Annotated[int, Field(ge=0, le=65535), NOT_BOOLEAN] = 3000
    """Port on this machine to which the browser returns after the login (grant `openrouter`).
    3000: a fixed port can be forwarded to a server without a browser. 0: the system chooses."""

    default_lifetime_seconds: Annotated[
        float, Field(ge=60, le=31_536_000, allow_inf_nan=False), NOT_BOOLEAN
    ] = 3600.0
    """How long an access token is taken to live when the server does not say, in seconds. 3600:
    what Anthropic's own library assumes, and the usual life of a token."""

    token_directory: FilePath | None = None
    """Directory for the tokens of accounts that log in, one file each, readable for the owner
    only. Must outlive the process. Absent: `$STATE_DIRECTORY` as systemd sets it, else
    `$XDG_STATE_HOME/sluice`, else `~/.local/state/sluice`. Not used with `state.redis`."""

    @model_validator(mode="after")
    def _fits_the_grant(self) -> Self:
        for key in sorted(self.model_fields_set - _ANYWHERE - _TAKES[self.grant]):
            if getattr(self, key) not in (None, {}, ()):
                raise ValueError(f"must not have {key}: grant {self.grant} has no use for it")
        for key in _NEEDS.get(self.grant, ()):
            if getattr(self, key) is None:
                raise ValueError(f"needs {key} for grant {self.grant}")
        if self.grant == "client_credentials" and self.client_secret is None:
            raise ValueError("needs client_secret for grant client_credentials")
        if self.client_auth == "basic" and not (self.client_id and self.client_secret):
            raise ValueError("needs client_id and client_secret for client_auth: basic")
        given = [self.assertion_file, self.assertion_command]
        if "assertion_file" in _TAKES[self.grant] and given.count(None) != 1:
            raise ValueError(f"needs assertion_file or assertion_command for grant {self.grant}")
        return self

    @property
    def keeps_account(self) -> bool:
        """Whether tokens must be kept, since they cannot be got again without a person."""
        return "token_directory" in _TAKES[self.grant]
