"""Looks at everything Taskyard depends on, and says what to do about what is wrong.

`checks` is for people, `require` for programs. No password appears in either.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.config import Settings, load_settings
from core.embedded import Endpoints, resolve, running_urls
from core.errors import ConfigurationError, Unavailable
from core.migrations import migration_state
from core.probes import DatabaseFacts, Failure, ProbeFailed, RedisFacts, database_facts, redis_facts, without_password
from core.registry import registry

OLDEST_POSTGRES = 120000
POSTGRES_WITH_SESSION_TIMEOUT = 140000
OLDEST_REDIS = (5, 0)
MIN_FREE_DISK_BYTES = 1 << 30
MIN_OPEN_FILES = 1024
MIN_PROCESSES = 512

DATABASE_ADVICE = {
    Failure.UNREACHABLE: "start PostgreSQL, or correct host and port in TASKYARD_DATABASE_URL",
    Failure.REFUSED: "correct user and password in TASKYARD_DATABASE_URL, or the server's pg_hba.conf",
    Failure.NO_DATABASE: "create the database (`createdb`), or correct its name in TASKYARD_DATABASE_URL",
    Failure.OTHER: "correct TASKYARD_DATABASE_URL, or the server as its answer says",
}
REDIS_ADVICE = {
    Failure.UNREACHABLE: "start Redis, or correct host and port in TASKYARD_REDIS_URL",
    Failure.REFUSED: "correct user and password in TASKYARD_REDIS_URL",
    Failure.OTHER: "correct TASKYARD_REDIS_URL, or the server as its answer says",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Not `ok`: Taskyard can't run. `warning`: it can, but `advice` is worth following.
    """

    name: str
    ok: bool
    warning: bool
    found: str
    advice: str = ""


def checks(settings: Settings | None = None) -> list[Check]:
    """Looks at everything; reads the settings itself unless they are given."""
    if settings is None:
        try:
            settings = load_settings()
        except ConfigurationError as error:
            return [_problem("settings", text, "correct it in the environment or in .env") for text in error.problems]
    return [_fine("settings", "readable"), *server_checks(settings), *local_checks(settings)]


def require(settings: Settings, endpoints: Endpoints | None = None) -> None:
    """Raises ConfigurationError with one line for each problem; warnings pass.

    `endpoints` are looked up unless given; raises Unavailable if an embedded server is needed and not running.
    """
    endpoints = endpoints or resolve(settings)
    found = [*server_checks(settings, endpoints), *local_checks(settings)]
    problems = [f"{check.name}: {check.found}: {check.advice}" for check in found if not check.ok]
    if problems:
        raise ConfigurationError(problems)


def server_checks(settings: Settings, endpoints: Endpoints | None = None) -> list[Check]:
    """Asks PostgreSQL and Redis. An embedded server that is not running is a warning: `make run` starts it."""
    if endpoints:
        database_url, redis_url = endpoints.database_url, endpoints.redis_url
    else:
        running_database, running_redis = running_urls(settings.data_dir)
        database_url = settings.database_url or running_database
        redis_url = settings.redis_url or running_redis
    return [
        *(_database_checks(database_url) if database_url else [_not_running("PostgreSQL")]),
        *(_redis_checks(redis_url, settings.namespace) if redis_url else [_not_running("Redis")]),
    ]


def local_checks(settings: Settings) -> list[Check]:
    """Looks at this machine and at the files and modules that the settings name."""
    return [
        *_module_checks(settings),
        _pool_check(settings),
        *local_data_checks(settings.data_dir),
        limits_check(),
        code_execution_check(settings),
    ]


def judge_database(facts: DatabaseFacts) -> Iterator[Check]:
    """What a PostgreSQL server's facts mean."""
    if facts.version_number < OLDEST_POSTGRES:
        yield _problem("PostgreSQL version", facts.version, "use PostgreSQL 12 or newer")
    elif facts.version_number < POSTGRES_WITH_SESSION_TIMEOUT:
        yield _warning(
            "PostgreSQL version",
            facts.version,
            "use 14 or newer: on older servers a frozen worker keeps the leadership until it is killed",
        )
    else:
        yield _fine("PostgreSQL version", facts.version)
    if facts.synchronous_commit == "off":
        yield _problem(
            "PostgreSQL synchronous_commit", "off", "set it to on: a crash could lose tasks that were accepted"
        )
    else:
        yield _fine("PostgreSQL synchronous_commit", facts.synchronous_commit)
    if facts.fsync != "on":
        yield _warning("PostgreSQL fsync", facts.fsync, "set it to on: a power failure could destroy the database")
    if facts.read_only:
        yield _problem("PostgreSQL rights", "read-only", "connect to the primary server, with a user who may write")
    elif not facts.may_create_tables:
        yield _warning(
            "PostgreSQL rights", "no CREATE in its schema", "grant it to the user who runs `python -m worker migrate`"
        )
    if facts.pooled:
        yield _warning(
            "PostgreSQL pooler",
            "a connection pooler answers",
            "let the worker connect past it, or in session mode: the leader's lock belongs to a session",
        )


def judge_redis(facts: RedisFacts) -> Iterator[Check]:
    """What a Redis server's facts mean."""
    numbers = tuple(int(part) for part in facts.version.split(".")[:2])
    if numbers < OLDEST_REDIS:
        yield _problem("Redis version", facts.version, "use Redis 5.0 or newer")
    else:
        yield _fine("Redis version", facts.version)
    if facts.maxmemory_policy != "noeviction":
        yield _problem(
            "Redis maxmemory-policy", facts.maxmemory_policy, "set it to noeviction: Redis would drop queued tasks"
        )
    else:
        yield _fine("Redis maxmemory-policy", facts.maxmemory_policy)
    if facts.refused:
        yield _problem(
            "Redis rights", f"refused: {', '.join(facts.refused)}", "allow the user all commands on keys taskyard:*"
        )


def _database_checks(url: str) -> Iterator[Check]:
    try:
        facts = database_facts(url)
        yield _fine("PostgreSQL", "reachable")
        yield from judge_database(facts)
        current, head = migration_state(url)
    except ProbeFailed as error:
        yield _problem("PostgreSQL", f"{error.failure.label}: {error}", DATABASE_ADVICE[error.failure])
        return
    except Unavailable as error:
        yield _problem("PostgreSQL", without_password(str(error), url), DATABASE_ADVICE[Failure.UNREACHABLE])
        return
    if current != head:
        found = f"at {current}, this version needs {head}" if current else "no tables yet"
        yield _problem("PostgreSQL migrations", found, "run `python -m worker migrate`")
    else:
        yield _fine("PostgreSQL migrations", f"at {head}")


def _redis_checks(url: str, namespace: str) -> Iterator[Check]:
    try:
        facts = redis_facts(url, namespace)
    except ProbeFailed as error:
        yield _problem("Redis", f"{error.failure.label}: {error}", REDIS_ADVICE[error.failure])
        return
    yield _fine("Redis", "reachable")
    yield from judge_redis(facts)


def _module_checks(settings: Settings) -> list[Check]:
    try:
        types = registry.load(settings.task_modules).types
    except ConfigurationError as error:
        return [_problem("task types", text, "correct the module, or TASKYARD_TASK_MODULES") for text in error.problems]
    return [_fine("task types", f"{len(types)} registered")]


def _pool_check(settings: Settings) -> Check:
    from worker.agents.pool_config import load_pool  # task modules must have been tried first

    try:
        load_pool(settings.pool_file)
    except ConfigurationError as error:
        return _problem("agent pool", str(error), "correct the file, or TASKYARD_POOL_FILE")
    return _fine("agent pool", str(settings.pool_file or "the shipped one"))


def local_data_checks(data_dir: Path) -> Iterator[Check]:
    """Whether the data folder, or the folder it will be made in, is writable and has room."""
    folder = data_dir.expanduser().absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            yield _fine("data folder", str(folder))
    except OSError as error:
        reason = error.strerror or str(error)
        yield _problem("data folder", f"{existing} is not writable: {reason}", "set TASKYARD_DATA_DIR to one that is")
    free = shutil.disk_usage(existing).free
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < MIN_FREE_DISK_BYTES:
        yield _warning("disk", found, f"free space on the disk of {folder}: at least 1 GiB")
    else:
        yield _fine("disk", found)


def limits_check() -> Check:
    """Whether the system lets this user have enough files and processes."""
    limits = {
        "open files (ulimit -n)": (resource.RLIMIT_NOFILE, MIN_OPEN_FILES),
        "processes (ulimit -u)": (resource.RLIMIT_NPROC, MIN_PROCESSES),
    }
    low = []
    for name, (limit, least) in limits.items():
        soft = resource.getrlimit(limit)[0]
        if soft != resource.RLIM_INFINITY and soft < least:
            low.append(f"{soft} {name}, expected {least} or more")
    if low:
        return _warning("process limits", "; ".join(low), "raise them: agents run each task in a process of its own")
    return _fine("process limits", f"enough for {os.cpu_count()} CPUs")


def code_execution_check(settings: Settings) -> Check:
    """Whether strangers could run code through the dashboard."""
    if settings.allow_code_execution and not _is_loopback(settings.dashboard_host):
        return _warning(
            "code execution",
            f"allowed, and the dashboard listens on {settings.dashboard_host}",
            "whoever reaches the dashboard can run programs here: set TASKYARD_DASHBOARD_HOST to 127.0.0.1",
        )
    return _fine("code execution", "allowed" if settings.allow_code_execution else "not allowed")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _fine(name: str, found: str) -> Check:
    return Check(name, ok=True, warning=False, found=found)


def _warning(name: str, found: str, advice: str) -> Check:
    return Check(name, ok=True, warning=True, found=found, advice=advice)


def _problem(name: str, found: str, advice: str) -> Check:
    return Check(name, ok=False, warning=False, found=found, advice=advice)


def _not_running(name: str) -> Check:
    return _warning(name, "embedded, not running now", "start it with `make run`")
