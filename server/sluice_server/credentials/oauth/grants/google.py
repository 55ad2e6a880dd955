"""Google's credentials: service accounts, and what a machine has by default.

The package google-auth knows the kinds of credential files and signs; its requests go
out through httpx, from a thread. Of the metadata server of Google's machines only the
token is asked for, here: the package would need another HTTP library for that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from google.auth import exceptions, transport

from sluice_server.credentials.oauth.account import Account, Issued, token_text
from sluice_server.credentials.oauth.endpoint import (
    LARGEST_ANSWER_BYTES,
    TIMEOUT,
    check_address,
    lifetime,
    proxy_to,
    unreached,
)
from sluice_server.credentials.oauth.faults import (
    TokenRefusedError,
    TokenUnavailableError,
    error_code,
)

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
"""The scope that Vertex AI wants (`gemini.md` section 2)."""

METADATA_HOST = "metadata.google.internal"
_METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA_HEADERS = {"Metadata-Flavor": "Google"}
_METADATA_TIMEOUT = httpx.Timeout(10.0, connect=3.0)

_FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_LARGEST_FILE_BYTES = 1024 * 1024


class GoogleGrant:
    """Tokens from one credential file, or as the machine has them."""

    from_account = False

    def __init__(
        self, key_file: Path | None, scopes: tuple[str, ...], *, environ: Mapping[str, str]
    ) -> None:
        self._key_file = key_file
        self._scopes = list(scopes or (CLOUD_PLATFORM,))
        self._environ = environ
        self.remedy = (
            "Check the key file and the rights of the service account."
            if key_file
            else "Run `gcloud auth application-default login`, or set "
            f"{_FILE_VARIABLE} to a credential file."
        )

    async def fetch(self, account: Account) -> Issued:
        """Ask Google for a token."""
        file = self._key_file or default_file(self._environ)
        if file is None:
            return await asyncio.to_thread(self._from_metadata)
        return await asyncio.to_thread(self._from_file, file)

    def _from_file(self, file: Path) -> Issued:
        info = _read(file)
        if self._key_file and info.get("type") != "service_account":
            raise TokenRefusedError("key_file is not the key of a service account.")
        try:
            credentials = _load(info, self._scopes)
        except (exceptions.GoogleAuthError, AttributeError, ValueError, KeyError, TypeError):
            raise TokenRefusedError("The Google credential file lacks something.") from None
        try:
            credentials.refresh(HttpxRequest())
        except exceptions.RefreshError as error:
            raise _refused(error) from None
        except (exceptions.GoogleAuthError, ValueError, TypeError):
            raise TokenUnavailableError("Google's token endpoint gave no token.") from None
        return _issued(credentials.token, credentials.expiry)

    def _from_metadata(self) -> Issued:
        host = self._environ.get("GCE_METADATA_HOST", METADATA_HOST)
        try:
            response = httpx.get(
                f"http://{host}{_METADATA_PATH}",
                params={"scopes": ",".join(self._scopes)},
                headers=_METADATA_HEADERS,
                timeout=_METADATA_TIMEOUT,
                follow_redirects=False,
                # The machine's own address: never through a proxy.
                trust_env=False,
            )
            answer = response.json() if response.status_code == httpx.codes.OK else {}
        except (httpx.HTTPError, ValueError):
            raise TokenRefusedError(
                "There are no default credentials: no file, and no metadata server answers."
            ) from None
        token = token_text(answer.get("access_token")) if isinstance(answer, dict) else None
        if token is None:
            raise TokenUnavailableError(
                f"The metadata server answered {response.status_code} without a token."
            )
        return Issued(access_token=token, lifetime=lifetime(answer.get("expires_in")))


def default_file(environ: Mapping[str, str]) -> Path | None:
    """Return the file of the application default credentials, where there is one."""
    if named := environ.get(_FILE_VARIABLE):
        return Path(named)
    folder = environ.get("CLOUDSDK_CONFIG")
    path = Path(folder) if folder else Path(environ.get("HOME", "/")) / ".config" / "gcloud"
    file = path / "application_default_credentials.json"
    return file if file.is_file() else None


class HttpxRequest(transport.Request):
    """What google-auth sends requests with."""

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_options: Any,
    ) -> transport.Response:
        """Send one request.

        Raises:
            TokenUnavailableError: no answer, or a fault that passes. Not the package's own
                exception, since it would sleep and send again.
            TokenRefusedError: an address that secrets must not be sent to.
        """
        check_address(url)
        try:
            with (
                httpx.Client(
                    timeout=TIMEOUT,
                    follow_redirects=False,
                    verify=httpx.create_ssl_context(),
                    proxy=proxy_to(url),
                    trust_env=False,
                ) as client,
                client.stream(method, url, content=body, headers=dict(headers or {})) as response,
            ):
                pieces, size = [], 0
                for piece in response.iter_bytes():
                    size += len(piece)
                    if size > LARGEST_ANSWER_BYTES:
                        raise TokenRefusedError("Google's token endpoint answers without end.")
                    pieces.append(piece)
        except httpx.HTTPError as error:
            raise TokenUnavailableError(f"Google's token endpoint {unreached(error)}.") from None
        if response.status_code >= 500 or response.status_code in {408, 429}:
            raise TokenUnavailableError(f"Google's token endpoint answered {response.status_code}.")
        return _Response(response, b"".join(pieces))


class _Response(transport.Response):
    def __init__(self, response: httpx.Response, data: bytes) -> None:
        self._response = response
        self._data = data

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    @property
    def data(self) -> bytes:
        return self._data


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            value = json.loads(opened.read(_LARGEST_FILE_BYTES))
    except OSError as error:
        raise TokenRefusedError(
            f"The Google credential file cannot be read: {error.strerror}."
        ) from None
    except (ValueError, RecursionError):
        raise TokenRefusedError("The Google credential file is not JSON.") from None
    if not isinstance(value, dict):
        raise TokenRefusedError("The Google credential file is not a JSON object.")
    return value


def _load(info: dict[str, Any], scopes: list[str]) -> Any:
    """Make the package's object for one kind of file.

    By kind, instead of with the package's own loader for all kinds: that one is deprecated.
    """
    # Each import costs start-up time that only its users should pay. The classes are not
    # typed as far as this goes.
    kind: Any
    match info.get("type"):
        case "service_account":
            from google.oauth2 import service_account

            kind = service_account.Credentials
            return kind.from_service_account_info(info, scopes=scopes)
        case "authorized_user":
            from google.oauth2 import credentials

            kind = credentials.Credentials
            # Its scopes were settled at the login; asking for others is refused.
            return kind.from_authorized_user_info(info)
        case "impersonated_service_account":
            from google.auth import impersonated_credentials

            kind = impersonated_credentials.Credentials
            return kind.from_impersonated_service_account_info(info, scopes=scopes)
        case "external_account":
            return _external(info, scopes)
        case _:
            raise TokenRefusedError("The Google credential file is of an unknown type.")


def _external(info: dict[str, Any], scopes: list[str]) -> Any:
    source = info.get("credential_source")
    source = source if isinstance(source, dict) else {}
    kind: Any
    if str(source.get("environment_id", "")).startswith("aws"):
        from google.auth import aws

        kind = aws.Credentials
    elif "executable" in source:
        from google.auth import pluggable

        kind = pluggable.Credentials
    else:
        from google.auth import identity_pool

        kind = identity_pool.Credentials
    return kind.from_info(info, scopes=scopes)


def _refused(error: exceptions.RefreshError) -> TokenRefusedError | TokenUnavailableError:
    answer = next((item for item in error.args if isinstance(item, dict)), {})
    code = error_code(answer)
    if error.retryable:
        return TokenUnavailableError("Google's token endpoint failed.", code=code)
    # Also for invalid_grant: the account is the file's, and mends when the file does.
    return TokenRefusedError(
        f"Google's token endpoint refused{f': {code}' if code else ''}.", code=code
    )


def _issued(token: object, expiry: object) -> Issued:
    text = token_text(token)
    if text is None:
        raise TokenUnavailableError("Google's token endpoint gave no token.")
    seconds = None
    if isinstance(expiry, datetime):
        # The package's times are UTC without saying so.
        aware = expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
        seconds = lifetime((aware - datetime.now(UTC)).total_seconds())
    return Issued(access_token=text, lifetime=seconds)
