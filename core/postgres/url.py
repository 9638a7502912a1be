"""Parses TASKYARD_DATABASE_URL as libpq does, for every connection alike. No error shows a password."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

import psycopg2
import psycopg2.extensions

from taskyard.core.i18n import msg

_SCHEME = re.compile(r"(?:postgres|postgresql|postgresql\+psycopg2)://")
_WHOLE_NUMBERS = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
)  # fmt: skip
# Options of a program's interface to its client library: our driver decides these.
_LIBRARY = ("client_encoding", "fallback_application_name")
_UNKNOWN_OPTION = re.compile(r'invalid URI query parameter: "([^"]*)"')
# libpq judges the options of a connection before it looks for the server.
_NOWHERE = "/"
_LOOKED_FOR_SERVER = "connection to server"
_HOST = "host="
_UNREADABLE = msg("the host or the port can't be read: are special characters of the password percent-encoded?")


def connection_parameters(url: str) -> dict[str, str]:
    """Returns libpq's parameters for a URL, unless they are its defaults; raises ValueError with one line.

    Several hosts may be listed (`host1,host2:5433`) or given as repeated `host=` options, each with its own port
    after a colon.
    """
    if not _SCHEME.match(url):
        raise ValueError(msg("expected a URL that starts with postgresql://"))
    rest = url.partition("://")[2]
    rest, hosts = _without_repeated_hosts(rest)
    try:
        found = psycopg2.extensions.parse_dsn(f"postgresql://{rest}")
    except psycopg2.ProgrammingError as error:
        raise ValueError(_explained(str(error))) from None
    parameters = {name: str(value) for name, value in found.items() if name not in _LIBRARY}
    if hosts:
        _spread(parameters, hosts)
    _check(parameters)
    return parameters


def _without_repeated_hosts(rest: str) -> tuple[str, list[str]]:
    """Returns the URL's rest without `host=` options that libpq would not understand, and their values."""
    head, mark, query = rest.partition("?")
    pairs = query.split("&")
    hosts = [unquote(pair.removeprefix(_HOST)) for pair in pairs if pair.startswith(_HOST)]
    if len(hosts) < 2 and not any(_has_port(host) for host in hosts):
        return rest, []
    others = [pair for pair in pairs if pair and not pair.startswith(_HOST)]
    return head + (mark if others else "") + "&".join(others), hosts


def _has_port(host: str) -> bool:
    return re.fullmatch(r"[^:/\[\],]+:\d+", host) is not None


def _spread(parameters: dict[str, str], hosts: Sequence[str]) -> None:
    """Adds hosts with their own ports to the parameters in libpq's form."""
    common = parameters.get("port", "").split(",")
    names, ports = [], []
    for position, host in enumerate(hosts):
        name, _, port = host.partition(":") if _has_port(host) else (host, "", "")
        names.append(name)
        ports.append(port or (common[0] if len(common) == 1 else common[position] if position < len(common) else ""))
    parameters["host"] = ",".join(names)
    if any(ports):
        parameters["port"] = ",".join(ports)


def _check(parameters: dict[str, str]) -> None:
    hosts = parameters.get("host", "")
    ports = parameters.get("port", "").split(",")
    if "@" in hosts or not all(not port or (port.isascii() and port.isdigit()) for port in ports):
        raise ValueError(_UNREADABLE)
    for port in ports:
        if port and not 1 <= int(port) <= 65535:
            raise ValueError(msg("{option} {value} is not accepted, expected 1 to 65535", option="port", value=port))
    for name in _WHOLE_NUMBERS:
        value = parameters.get(name, "0")
        if not (value.isascii() and value.isdigit() and int(value) < 1 << 31):
            text = msg("{option} {value} is not accepted, expected a whole number", option=name, value=repr(value))
            raise ValueError(text)
    if "replication" in parameters:
        raise ValueError(msg("{option} is not accepted: expected an ordinary connection", option="replication"))
    if reason := _refused_by_libpq(parameters):
        raise ValueError(reason)


def _refused_by_libpq(parameters: dict[str, str]) -> str:
    """Returns libpq's objection to these parameters; "" if it accepts them."""
    nowhere = {name: value for name, value in parameters.items() if name not in ("hostaddr", "password")}
    count = max(1, parameters.get("host", parameters.get("hostaddr", "")).count(",") + 1)
    nowhere["host"] = ",".join([_NOWHERE] * count)
    try:
        psycopg2.connect(**nowhere).close()  # type: ignore[call-overload]
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        return "" if reason.startswith(_LOOKED_FOR_SERVER) else reason
    return ""


def _explained(reason: str) -> str:
    unknown = _UNKNOWN_OPTION.search(reason)
    if unknown is not None:
        return msg("unknown option {name}, expected one of libpq's", name=repr(unknown[1]))
    return _UNREADABLE
