"""Chooses a server's port: the wanted one, another one that is logged, or none."""

from __future__ import annotations

import errno
import socket

from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.errors import ConfigurationError

PORTS_TRIED = 50


def check_ports(settings: Settings, *, dashboard: bool) -> None:
    """Raises ConfigurationError with one line for each configured port that is not available."""
    names = ["metrics"] if settings.metrics_port else []
    names += ["dashboard", "api"] if dashboard else []
    problems = []
    for name in names:
        try:
            find_port(settings, name)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)


def find_port(settings: Settings, name: str) -> int:
    """Returns the port of the "metrics", "dashboard" or "api": as configured, or else the next free one.

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
        expected = "expected a free port: stop the process that listens there, or set another port"
        raise ConfigurationError([f"{variable}_PORT: {wanted} is taken at {host}: {expected}"])
    raise ConfigurationError([f"{variable}_PORT: no free port from {wanted} on at {host}: {reason}"])


def listening_socket(host: str, port: int) -> socket.socket:
    """Returns a socket that listens there. Raises OSError."""
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
    """Returns True if the port is in use or needs privileges; another one may work."""
    return error.errno in (errno.EADDRINUSE, errno.EACCES)


def url_of(host: str, port: int) -> str:
    """Returns the address for users and programs."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
