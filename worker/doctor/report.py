"""Checks everything Taskyard depends on, and advises on what is wrong.

`checks` is for users, `require` for programs. No password appears in either.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.servers import Endpoints, resolve, running_urls
from taskyard.core.errors import ConfigurationError
from taskyard.core.health.check import Check, fine, problem, warning
from taskyard.core.health.checks import (
    agent_user_checks,
    code_execution_check,
    database_checks,
    redis_checks,
    sign_in_check,
)
from taskyard.core.task_types.registry import registry
from taskyard.worker.doctor.absent_agents import absent_agents_checks
from taskyard.worker.doctor.room import room_checks

START = "start it with `taskyard run`"
START_REDIS = f"{START}, or set TASKYARD_REDIS_URL if agents alone run here"


def checks(settings: Settings | None = None, pool_file: Path | None = None, has_api: bool = False) -> list[Check]:
    """Returns all checks; reads the settings itself unless they are given.

    `pool_file` is that of agents, in place of the settings'; a host of agents alone needs Redis or, with `has_api`, not
    even that.
    """
    if settings is None:
        try:
            settings = load_settings()
        except ConfigurationError as error:
            return [problem("settings", text, "correct it in the environment or in .env") for text in error.problems]
    if pool_file is not None:
        settings = settings.model_copy(update={"pool_file": pool_file})
        if settings.database_url is None and (settings.redis_url or has_api):
            found = redis_checks(settings.redis_url, settings.namespace) if settings.redis_url else []
            return [fine("settings", "readable"), *found, *local_checks(settings)]
    return [
        fine("settings", "readable"),
        *server_checks(settings),
        *local_checks(settings),
        *absent_agents_checks(settings),
    ]


def require(settings: Settings, endpoints: Endpoints | None = None) -> None:
    """Raises ConfigurationError with one line for each problem; warnings pass.

    `endpoints` are determined unless given; raises Unavailable if an embedded server is needed and not running.
    """
    endpoints = endpoints or resolve(settings)
    found = [*server_checks(settings, endpoints), *local_checks(settings)]
    problems = [f"{check.name}: {check.found}: {check.advice}" for check in found if not check.ok]
    if problems:
        raise ConfigurationError(problems)


def server_checks(settings: Settings, endpoints: Endpoints | None = None) -> list[Check]:
    """Checks PostgreSQL and Redis. An embedded server that is not running is a warning: `taskyard run` starts it."""
    running_database, running_redis = (None, None) if endpoints else running_urls(settings.data_dir)
    database_url = endpoints.database_url if endpoints else settings.database_url or running_database
    redis_url = endpoints.redis_url if endpoints else settings.redis_url or running_redis
    found = [
        *(database_checks(database_url) if database_url else [_not_running("PostgreSQL", START)]),
        *(redis_checks(redis_url, settings.namespace) if redis_url else [_not_running("Redis", START_REDIS)]),
    ]
    if database_url and redis_url and all(check.ok for check in found):
        found += agent_user_checks(database_url, redis_url, settings.namespace)
    return found


def local_checks(settings: Settings) -> list[Check]:
    """Checks this machine, and the files and modules in the settings."""
    return [
        *_module_checks(settings),
        *_pool_checks(settings),
        *_unmatched_checks(settings),
        *local_data_checks(settings.data_dir),
        *room_checks(settings.data_dir),
        code_execution_check(settings),
        sign_in_check(settings),
    ]


def _module_checks(settings: Settings) -> list[Check]:
    try:
        types = registry.load(settings.task_modules).types
    except ConfigurationError as error:
        return [problem("task types", text, "correct the module, or TASKYARD_TASK_MODULES") for text in error.problems]
    return [fine("task types", f"{len(types)} registered")]


def _pool_checks(settings: Settings) -> Iterator[Check]:
    from taskyard.worker.agents.pool_config import load_pool  # task modules must have been tried first
    from taskyard.worker.doctor.engines import engine_checks

    try:
        specs = load_pool(settings.pool_file)
    except ConfigurationError as error:
        yield problem("agent pool", str(error), "correct the file, or TASKYARD_POOL_FILE")
        return
    yield fine("agent pool", str(settings.pool_file or "the shipped one"))
    yield from engine_checks(specs)


def _unmatched_checks(settings: Settings) -> Iterator[Check]:
    from taskyard.worker.agents.unmatched import advised  # which reads task modules and files that were checked before

    for line, advice in advised(settings, registry):
        yield warning("declarations", line, advice)


def local_data_checks(data_dir: Path) -> Iterator[Check]:
    """Checks that the data folder, or the folder it will be made in, is writable."""
    folder = data_dir.expanduser().absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            yield fine("data folder", str(folder))
    except OSError as error:
        reason = error.strerror or str(error)
        yield problem("data folder", f"{existing} is not writable: {reason}", "set TASKYARD_DATA_DIR to one that is")


def _not_running(name: str, advice: str) -> Check:
    return warning(name, "embedded, not running now", advice)
