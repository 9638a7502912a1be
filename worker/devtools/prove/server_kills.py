"""Kills the servers of a world, and starts them again."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.embedded.redis import RedisServer

STOP_SECONDS = 60.0


def kill_redis(client: Any, server: RedisServer, way: str) -> str:
    """Kills Redis, or removes all that it holds; returns who died."""
    if way == "FLUSHALL":
        client.flushall()
        return "redis"
    process = psutil.Process(int(client.info("server")["process_id"]))
    process.kill()
    server.start()
    return f"process {process.pid}"


def kill_postgres(folder: Path, server: PostgresServer, way: str) -> str:
    """Stops PostgreSQL fast or immediately; returns who died."""
    postmaster = postmaster_of(folder)
    postmaster.send_signal(signal.SIGINT if way == "fast" else signal.SIGQUIT)
    with suppress(psutil.TimeoutExpired):
        postmaster.wait(timeout=STOP_SECONDS)
    server.start()
    return f"process {postmaster.pid}"


def postmaster_of(folder: Path) -> psutil.Process:
    """Returns the first process of the PostgreSQL in a folder."""
    return psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0]))
