"""Serves the API by uvicorn, in one process or several."""

from __future__ import annotations

import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from taskyard.core.config import Settings

GRACE_SECONDS = 10  # for requests that are being answered when a process is told to stop
APPLICATION = "taskyard.api.app:create"


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serves on a socket that listens until SIGINT or SIGTERM; requests under way may finish."""
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        workers=settings.api_workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    if settings.api_workers > 1:
        Multiprocess(config, sockets=[listening]).run()
    else:
        uvicorn.Server(config).run(sockets=[listening])
