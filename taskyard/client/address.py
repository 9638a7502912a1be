"""Says where the API is and with which token; a token never leaves for a place where others could read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from taskyard.core.access.request_guard import is_loopback_host
from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import msg

URL_VARIABLE, TOKEN_VARIABLE = "TASKYARD_URL", "TASKYARD_TOKEN"
API_PATH = "/api/v1"
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is: its URL without a final slash, and the token, which no text shows."""

    url: str
    token: str | None = field(repr=False)
    is_loopback: bool

    def __str__(self) -> str:
        return self.url

    def headers(self) -> dict[str, str]:
        """Returns what every request carries."""
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}


def address_of(
    url: str | None,
    token: str | None,
    environment: Mapping[str, str],
    *,
    allow_plain_http: bool = False,
    token_variable: str = TOKEN_VARIABLE,
) -> Address:
    """Returns the address of the API; what is None comes from the environment. Raises ConfigurationError.

    A token is refused for plain http to another host, unless that is allowed: everybody on the way could read it.
    """
    given = url if url is not None else environment.get(URL_VARIABLE, "")
    token = (token if token is not None else environment.get(token_variable)) or None
    if not given:
        raise ConfigurationError([msg("{name}: not set: the URL of Taskyard's API", name=URL_VARIABLE)])
    scheme, host = _parts(given.strip())
    if token is not None and _TOKEN.fullmatch(token) is None:
        raise ConfigurationError([msg("{name}: expected a token of `taskyard access token`", name=token_variable)])
    is_loopback = is_loopback_host(host)
    if token is not None and scheme == "http" and not is_loopback and not allow_plain_http:
        text = msg("{name}: a token is not sent over plain http to {host}: use https", name=URL_VARIABLE, host=host)
        raise ConfigurationError([text])
    return Address(given.strip().rstrip("/").removesuffix(API_PATH), token, is_loopback)


def _parts(url: str) -> tuple[str, str]:
    """Returns scheme and host; the error does not show what may be a password."""
    try:
        parts = urlsplit(url)
        has_more = parts.username is not None or parts.password is not None or parts.query or parts.fragment
        _ = parts.port  # raises ValueError if it is none
    except ValueError:
        has_more, parts = True, urlsplit("")
    if has_more or parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url:
        expected = msg("{name}: expected a URL such as https://taskyard.example.com", name=URL_VARIABLE)
        raise ConfigurationError([expected])
    return parts.scheme, parts.hostname
