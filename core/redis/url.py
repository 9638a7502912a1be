"""Validates TASKYARD_REDIS_URL before anything connects. No error shows a password."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from taskyard.core.i18n import msg

SCHEMES = ("redis", "rediss", "unix")
MIN_SOCKET_TIMEOUT_SECONDS = 3.0  # a blocking read of 2 s must return before
_ANYWHERE = frozenset(
    {"db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout", "health_check_interval",
     "max_connections", "timeout"}
)  # fmt: skip
_TCP = frozenset({"socket_keepalive"})
_TLS = frozenset(
    {"ssl_keyfile", "ssl_certfile", "ssl_password", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_ca_data",
     "ssl_check_hostname", "ssl_min_version", "ssl_ciphers"}
)  # fmt: skip
# Options of a program's interface to its client library: our client decides these.
_LIBRARY = frozenset(
    {"decode_responses", "protocol", "encoding", "encoding_errors", "retry_on_timeout", "retry_on_error",
     "legacy_responses", "socket_read_size"}
)  # fmt: skip
_KNOWN = {
    "redis": _ANYWHERE | _TCP,
    "rediss": _ANYWHERE | _TCP | _TLS,
    "unix": _ANYWHERE,
}

_UNREADABLE = msg("the host or the port can't be read: are special characters of the password percent-encoded?")
_SEVERAL = msg("several hosts are not supported, expected the URL of one server, or of a name that follows the primary")


def connection_options(url: str) -> dict[str, Any]:
    """Returns redis-py's options of a connection to `url`, with `connection_class`; raises ValueError with one
    line.

    Options of the client library's interface (decode_responses, protocol …) have no effect.
    """
    # settings read URLs with this module, also in handlers' processes, which have none and need no client
    from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

    classes = {"redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection}
    parts = _split(url)
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _KNOWN[parts.scheme] | _LIBRARY:
            if name in _TLS:
                raise ValueError(msg("the option {name} needs a URL that starts with rediss://", name=repr(name)))
            names = ", ".join(sorted(_KNOWN[parts.scheme]))
            raise ValueError(msg("unknown option {name}, expected one of {names}", name=repr(name), names=names))
    try:
        options = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ValueError(_explained(error)) from None
    options = {name: value for name, value in options.items() if name not in _LIBRARY}
    options["connection_class"] = classes[parts.scheme]
    _check_values(options)
    return options


def user_of(url: str) -> str:
    """Returns the user that a valid URL names; empty if it names none."""
    return str(connection_options(url).get("username") or "")


def passwords(url: str) -> set[str]:
    """Returns every password in the URL, raw and decoded."""
    try:
        parts = urlsplit(url)
        found = {parts.password or ""}
    except ValueError:
        return set()
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name in ("password", "ssl_password", "sslpassword"):
            found.add(value)
    return {form for text in found if text for form in (text, unquote(text))}


def _split(url: str) -> SplitResult:
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if any(word in scheme for word in ("sentinel", "cluster")):
        raise ValueError(
            msg(
                "Sentinel and Cluster are not supported, expected the URL of one server, "
                "or of a name that follows the primary"
            )
        )
    if scheme not in SCHEMES:
        raise ValueError(msg("expected a URL that starts with redis://, rediss:// or unix://"))
    try:
        parts = urlsplit(url)
        if "," in parts.netloc.rpartition("@")[2]:
            raise ValueError(_SEVERAL)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(_SEVERAL if _SEVERAL in error.args else _UNREADABLE) from None
    if scheme == "unix" and not parts.path.strip("/"):
        raise ValueError(msg("expected the path of a socket, as in unix:///run/redis.sock"))
    if scheme == "unix" and host:
        raise ValueError(msg("expected three slashes before the path of the socket, as in unix:///run/redis.sock"))
    database = parts.path.strip("/")
    if scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        raise ValueError(msg("the path is not accepted, expected the number of a database, as in redis://host/0"))
    if parts.fragment:
        raise ValueError(_UNREADABLE)
    return parts


def _explained(error: ValueError) -> str:
    text = str(error)
    if text.startswith("Invalid value for '"):
        return msg("the value of the option {name} is not accepted", name=repr(text.split("'")[1]))
    return _UNREADABLE


def _check_values(options: dict[str, Any]) -> None:
    least = {
        "socket_timeout": MIN_SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": 0.001,
        "timeout": 0.001,
        "max_connections": 1,
        "db": 0,
        "health_check_interval": 0,
    }
    for name, bound in least.items():
        if name in options and not bound <= options[name] < 1e9:
            raise ValueError(
                msg("the option {name} is not accepted, expected {least} or more", name=repr(name), least=f"{bound:g}")
            )
    from redis.exceptions import RedisError

    chosen = {name: value for name, value in options.items() if name not in ("connection_class", "max_connections")}
    chosen.pop("timeout", None)
    try:
        options["connection_class"](**chosen)  # does not connect
    except (TypeError, ValueError, RedisError) as error:
        raise ValueError(msg("an option is not accepted: {reason}", reason=" ".join(str(error).split()))) from None
