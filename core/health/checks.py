"""Judges facts about the servers and settings: fine, a warning, or a problem that stops Taskyard.

No password appears in a check.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from taskyard.core.access.modes import Mode, reach_problems
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.health.check import Check, fine, problem, warning
from taskyard.core.health.probes import (
    AgentUserFacts,
    DatabaseFacts,
    ProbeFailed,
    ProbeFailure,
    RedisFacts,
    agent_user_facts,
    database_facts,
    redis_facts,
    without_password,
)
from taskyard.core.i18n import msg
from taskyard.core.postgres.connections import UTF8
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.migrations import schema_state
from taskyard.core.postgres.pooler import Pooling
from taskyard.core.postgres.store import kept_reports

OLDEST_POSTGRES = 120000
POSTGRES_WITH_SESSION_TIMEOUT = 140000
OLDEST_REDIS = (5, 0)
MAX_NAMES = 5  # that a check shows

DATABASE_ADVICE = {
    ProbeFailure.UNREACHABLE: msg("start PostgreSQL, or correct host and port in TASKYARD_DATABASE_URL"),
    ProbeFailure.REFUSED: msg("correct user and password in TASKYARD_DATABASE_URL, or the server's pg_hba.conf"),
    ProbeFailure.NO_DATABASE: msg("create the database (`createdb`), or correct its name in TASKYARD_DATABASE_URL"),
    ProbeFailure.OTHER: msg("correct TASKYARD_DATABASE_URL, or the server as its answer says"),
}
REDIS_ADVICE = {
    ProbeFailure.UNREACHABLE: msg("start Redis, or correct host and port in TASKYARD_REDIS_URL"),
    ProbeFailure.REFUSED: msg("correct user and password in TASKYARD_REDIS_URL"),
    ProbeFailure.OTHER: msg("correct TASKYARD_REDIS_URL, or the server as its answer says"),
}


def database_checks(url: str) -> Iterator[Check]:
    """Checks the PostgreSQL server at `url`; an absent server is a finding, not an error."""
    try:
        facts = database_facts(url)
        yield fine("PostgreSQL", msg("reachable"))
        yield from judge_database(facts)
        schema = schema_state(url)
    except ProbeFailed as error:
        yield problem(
            "PostgreSQL",
            msg("{failure}: {reason}", failure=error.failure.label, reason=str(error)),
            DATABASE_ADVICE[error.failure],
        )
        return
    except Unavailable as error:
        yield problem("PostgreSQL", without_password(str(error), url), DATABASE_ADVICE[ProbeFailure.UNREACHABLE])
        return
    if schema.is_usable:
        yield from _kept_check(url)
    name, current, head = msg("PostgreSQL migrations"), schema.version, schema.newest
    if schema.is_usable and schema.is_newer:
        found = msg("at {current}, of a newer release; this one ({head}) works with it", current=current, head=head)
        yield fine(name, found)
    elif schema.is_usable:
        yield fine(name, msg("at {head}", head=head))
    elif schema.is_newer:
        found = msg("at {current}, of a newer release; this one has {head}", current=current, head=head)
        yield problem(name, found, msg("install the release that migrated it, or the one before that"))
    else:
        found = msg("no tables yet")
        if current:
            found = msg("at {current}, this version needs {head}", current=current, head=head)
        yield problem(name, found, msg("run `taskyard migrate`"))


def _kept_check(url: str) -> Iterator[Check]:
    """Warns if reports of newer agents wait for a newer worker."""
    database = Database(url, pool_size=1)
    try:
        with database.transaction() as tx:
            found = kept_reports.kept(tx)
    finally:
        database.close()
    if found:
        text = msg(
            "{count} are kept, of version {version} and kind {kind} first",
            count=len(found),
            version=found[0].version,
            kind=found[0].kind,
        )
        advice = msg("upgrade the workers to the agents' release; `taskyard kept` lists them")
        yield warning(msg("reports of newer agents"), text, advice)


def redis_checks(url: str, namespace: str) -> Iterator[Check]:
    """Checks the Redis server at `url`, including the engine's commands on a key of its own."""
    try:
        facts = redis_facts(url, namespace)
    except ProbeFailed as error:
        yield problem(
            "Redis",
            msg("{failure}: {reason}", failure=error.failure.label, reason=str(error)),
            REDIS_ADVICE[error.failure],
        )
        return
    yield fine("Redis", msg("reachable"))
    yield from judge_redis(facts)


def agent_user_checks(database_url: str, redis_url: str, namespace: str) -> Iterator[Check]:
    """Checks that Redis has the users of agents with credentials of their own; none if no agent has any.

    Both servers were checked before: what keeps them from answering is told there.
    """
    try:
        facts = agent_user_facts(database_url, redis_url, namespace)
    except Unavailable:
        return
    if facts is not None:
        yield judge_agent_users(facts)


def judge_agent_users(facts: AgentUserFacts) -> Check:
    """Judges the users of agents in Redis."""
    name, count = msg("Redis users of agents"), len(facts.agents)
    advice = msg(
        "allow the Redis user of every worker the command ACL: until then such agents are not let in, and credentials "
        "that you revoke stay valid"
    )
    if facts.refusal:
        found = msg(
            "agents with credentials of their own: {count}; the user {user} can't see them: {reason}",
            count=count,
            user=facts.user,
            reason=facts.refusal,
        )
        return warning(name, found, advice)
    if facts.different:
        shown = ", ".join(facts.different[:MAX_NAMES])
        found = msg("not as PostgreSQL has them: {names}", names=shown)
        return warning(name, found, msg("wait some seconds for the leader; if it stays so, {advice}", advice=advice))
    return fine(name, msg("agents with credentials of their own: {count}", count=count))


def judge_database(facts: DatabaseFacts) -> Iterator[Check]:
    """Judges a PostgreSQL server's facts."""
    if facts.version_number < OLDEST_POSTGRES:
        yield problem(msg("PostgreSQL version"), facts.version, msg("use PostgreSQL 12 or newer"))
    elif facts.version_number < POSTGRES_WITH_SESSION_TIMEOUT:
        yield warning(
            msg("PostgreSQL version"),
            facts.version,
            msg("use 14 or newer: on older servers a frozen worker keeps the leadership until it is killed"),
        )
    else:
        yield fine(msg("PostgreSQL version"), facts.version)
    if facts.encoding != UTF8:
        yield problem(msg("PostgreSQL encoding"), facts.encoding, msg("use a database with the encoding UTF8"))
    if facts.synchronous_commit == "off":
        yield problem(
            msg("PostgreSQL synchronous_commit"),
            "off",
            msg("set it to on: a crash could lose tasks that were accepted"),
        )
    else:
        yield fine(msg("PostgreSQL synchronous_commit"), facts.synchronous_commit)
    if facts.fsync != "on":
        yield warning(
            msg("PostgreSQL fsync"), facts.fsync, msg("set it to on: a power failure could destroy the database")
        )
    if facts.read_only:
        yield problem(
            msg("PostgreSQL rights"),
            msg("read-only"),
            msg("connect to the primary server, with a user who may write"),
        )
    elif not facts.may_create_tables:
        yield warning(
            msg("PostgreSQL rights"),
            msg("no CREATE in its schema"),
            msg("grant it to the user who runs `taskyard migrate`"),
        )
    yield _role_check(facts)
    if facts.pooling is Pooling.SESSION:
        yield warning(
            msg("PostgreSQL pooler"),
            msg("a connection pooler answers, in {mode} mode", mode=facts.pooling),
            msg("connect the worker directly if possible: the leader's lock belongs to a session"),
        )
    elif facts.pooling is not Pooling.NONE:
        yield problem(
            msg("PostgreSQL pooler"),
            msg("a connection pooler answers, in {mode} mode", mode=facts.pooling),
            msg(
                "connect the worker directly, or in session mode: the leader's lock belongs to a session "
                "(what only submits or reads works in transaction mode, too)"
            ),
        )


def judge_redis(facts: RedisFacts) -> Iterator[Check]:
    """Judges a Redis server's facts."""
    numbers = tuple(int(part) for part in facts.version.split(".")[:2])
    if numbers < OLDEST_REDIS:
        yield problem(msg("Redis version"), facts.version, msg("use Redis 5.0 or newer"))
    else:
        yield fine(msg("Redis version"), facts.version)
    if facts.maxmemory_policy != "noeviction":
        yield problem(
            msg("Redis maxmemory-policy"),
            facts.maxmemory_policy,
            msg("set it to noeviction: Redis would drop queued tasks"),
        )
    else:
        yield fine(msg("Redis maxmemory-policy"), facts.maxmemory_policy)
    if facts.refused:
        yield problem(
            msg("Redis rights"),
            msg("refused: {commands}", commands=", ".join(facts.refused)),
            msg("allow the user all commands on keys taskyard:*"),
        )


def _role_check(facts: DatabaseFacts) -> Check:
    name = msg("PostgreSQL role")
    if facts.is_superuser:
        return warning(
            name,
            msg("{role}, a superuser", role=facts.role),
            msg("connect as a role that owns Taskyard's database alone: `taskyard access database` makes some"),
        )
    if facts.owns_tables:
        return fine(name, msg("{role}, who owns the tables: only a worker needs that", role=facts.role))
    return fine(name, facts.role)


def code_execution_check(settings: Settings) -> Check:
    """Checks that others can't run code through the dashboard."""
    if settings.allow_code_execution and settings.auth is Mode.LOOPBACK and not _is_loopback(settings.dashboard_host):
        return warning(
            msg("code execution"),
            msg("allowed, and the dashboard listens on {host}", host=settings.dashboard_host),
            msg("everyone who reaches the dashboard can run programs here: set TASKYARD_DASHBOARD_HOST to 127.0.0.1"),
        )
    found = msg("allowed by these settings") if settings.allow_code_execution else msg("not allowed by these settings")
    return fine(msg("code execution"), msg("{found}; a worker goes by those it started with", found=found))


def sign_in_check(settings: Settings) -> Check:
    """Checks that only those come in who are meant to."""
    name = msg("sign-in")
    hosts = {"DASHBOARD": settings.dashboard_host, "API": settings.api_host}
    problems = [text for server, host in hosts.items() for text in reach_problems(settings.auth, server, host)]
    if problems:
        return warning(name, settings.auth.value, problems[0])
    return fine(name, settings.auth.value)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
