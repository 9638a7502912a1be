"""Finds out whether an engine's address answers, without the engine's package."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from taskyard.worker.engines.settings import EngineSettings

CONNECT_SECONDS = 3.0


def host_and_port(engine: EngineSettings) -> tuple[str, int | None]:
    """Returns where an engine's address leads; nothing for one that names no host, such as "auto"."""
    address = engine.address if "//" in engine.address else f"//{engine.address}"
    try:
        found = urlsplit(address)
        return found.hostname or "", found.port
    except ValueError:
        return "", None


def unreached(engine: EngineSettings) -> str:
    """Returns why nothing answers at an engine's address; empty if something does, or it names no host and port."""
    host, port = host_and_port(engine)
    if not host or port is None:
        return ""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host}:{port} is not reached: {error}"
    return ""
