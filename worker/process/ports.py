"""Which port a server of ours listens on: the wanted one, another one that is told, or none at all."""

from __future__ import annotations

import errno
import socket

from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.errors import ConfigurationError

PORTS_TRIED = 50


def check_ports(settings: Settings, *, dashboard: bool) -> None:
    """Raises ConfigurationError with one line for each port that was asked for by name and can't be had."""
    names = ["metrics"] if settings.metrics_port else []
    names += ["dashboard"] if dashboard else []
    problems = []
    for name in names:
        try:
            find_port(settings, name)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)


def find_port(settings: Settings, name: str) -> int:
    """The port of the "metrics" or "dashboard": as configured, or the next free one if nobody configured it.

    Raises ConfigurationError.
    """
    host, wanted = getattr(settings, f"{name}_host"), getattr(settings, f"{name}_port")
    is_chosen = f"{name}_port" in settings.model_fields_set
    variable = f"{ENV_PREFIX}{name.upper()}"
    reason = ""
    for port in [wanted] if is_chosen else range(wanted, min(wanted + PORTS_TRIED, 65536)):
        try:
            with listening_socket(host, port):
                return port
        except OSError as error:
            reason = error.strerror or str(error)
            if not is_taken(error):
                raise ConfigurationError([f"{variable}_HOST: {host!r} can't be listened on: {reason}"]) from None
    if is_chosen:
        expected = "expected a free one: end what listens there, or set another"
        raise ConfigurationError([f"{variable}_PORT: {wanted} is taken at {host}: {expected}"])
    raise ConfigurationError([f"{variable}_PORT: no free port from {wanted} on at {host}: {reason}"])


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except BaseException:
        found.close()
        raise
    return found


def is_taken(error: OSError) -> bool:
    """Whether somebody else has the port, or it is not for everybody; another one may do."""
    return error.errno in (errno.EADDRINUSE, errno.EACCES)


def url_of(host: str, port: int) -> str:
    """The address for people and programs."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
