"""Finds out whether an engine's address answers, without the engine's package."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

CONNECT_SECONDS = 3.0


def host_and_port(address: str) -> tuple[str, int | None]:
    """Returns where an engine's address leads; nothing for one that names no host, such as "auto"."""
    try:
        found = urlsplit(address if "//" in address else f"//{address}")
        return found.hostname or "", found.port
    except ValueError:
        return "", None


def unreached(address: str) -> str:
    """Returns why nothing answers at an engine's address; empty if something does, or it names no host and port."""
    host, port = host_and_port(address)
    if not host or port is None:
        return ""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host}:{port} is not reached: {error}"
    return ""
