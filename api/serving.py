"""Serves the API by uvicorn, in one process or several."""

from __future__ import annotations

import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

from taskyard.api.app import create
from taskyard.api.services import Services
from taskyard.core.config import Settings

GRACE_SECONDS = 10  # for requests that are being answered when a process is told to stop
APPLICATION = "taskyard.api.app:create"


def serve(settings: Settings, listening: socket.socket, opened: Services) -> None:
    """Serves on a socket that listens until SIGINT or SIGTERM; requests under way may finish.

    Closes `opened`, which a process alone uses; several open their own.
    """
    is_alone = settings.api_workers == 1
    config = uvicorn.Config(
        create(opened) if is_alone else APPLICATION,
        factory=not is_alone,
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
    if is_alone:
        uvicorn.Server(config).run(sockets=[listening])
    else:
        opened.close()
        Multiprocess(config, sockets=[listening]).run()
