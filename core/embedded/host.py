"""Finds on the host what both embedded servers need: programs, a folder for a socket, running processes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil

from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg

MAX_SOCKET_PATH_BYTES = 100  # the system's limit is 107 on Linux, 103 on macOS
STOP_TIMEOUT_SECONDS = 5
SHORT_FOLDER = Path("/tmp")  # not tempfile's choice, which differs between terminals
SHORT_PREFIX = "taskyard-servers-"
# Commas separate hosts in a PostgreSQL URL; quotes and blanks have meanings in configuration files.
PLAIN_PATH = re.compile(r"[\w./+-]+", re.ASCII)


def package_folder(package: str) -> Path:
    """Returns the folder of an installed package without importing it: these imports have side effects."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise Unavailable(
            msg(
                "the package {package} is not installed: run `make run` in a checkout, "
                "or set TASKYARD_DATABASE_URL and TASKYARD_REDIS_URL",
                package=package,
            )
        )
    return Path(found.origin).parent


def socket_folder(folder: Path, socket_name: str) -> Path:
    """Returns the folder for a server's socket: its data folder, or a short one under /tmp if that path is
    unsuitable.

    It depends on `folder` alone, so that every process finds the same.
    """
    path = str(folder / socket_name)
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES and PLAIN_PATH.fullmatch(path):
        return folder
    digest = hashlib.sha256(os.fsencode(folder.parent)).hexdigest()[:16]
    return SHORT_FOLDER / f"{SHORT_PREFIX}{digest}" / folder.name


def make_socket_folder(folder: Path) -> None:
    """Creates a folder of `socket_folder`; raises Unavailable if something else is in its place."""
    if not _is_short(folder):
        return  # the data folder itself
    parent = folder.parent
    with suppress(FileExistsError):
        parent.mkdir(mode=0o700)
        parent.chmod(0o711)  # whatever the umask, PostgreSQL's own user must be able to traverse it
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Unavailable(
            msg("{parent} is needed for the servers' sockets, but belongs to another user: remove it", parent=parent)
        )
    folder.mkdir(mode=0o700, exist_ok=True)


def remove_socket_folder(folder: Path) -> None:
    """Removes a folder that `make_socket_folder` made, after its server has stopped."""
    if _is_short(folder):
        with suppress(OSError):  # the other server's may still be in use
            folder.rmdir()
            folder.parent.rmdir()


def processes_in(folder: Path, name: str) -> list[psutil.Process]:
    """Returns running processes called `name` whose working directory is `folder`, even if it was deleted."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended, or belongs to another user
            if process.name() == name and process.cwd().removesuffix(" (deleted)") == str(folder):
                found.append(process)
    return [process for process in found if _is_alive(process)]


def end_processes(folder: Path, name: str) -> None:
    """Ends those processes, by SIGTERM and then by SIGKILL; returns when they are gone."""
    processes = processes_in(folder, name)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                end(process)
                process.resume()  # a stopped process ignores SIGTERM
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while (processes := [process for process in processes if _is_alive(process)]) and time.monotonic() < deadline:
            time.sleep(0.01)


def _is_short(folder: Path) -> bool:
    return folder.parent.parent == SHORT_FOLDER and folder.parent.name.startswith(SHORT_PREFIX)


def _is_alive(process: psutil.Process) -> bool:
    # A dead process is harmless, even if the first process of a container is slow to reap it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def last_words(path: Path, count: int = 3) -> str:
    """Returns the last lines of a log file on one line, for an error message."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return f"nothing was logged to {path}"
    return " | ".join(line.strip() for line in lines[-count:]) + f" (see {path})"
