"""Reads what a leader needs to take over and to sweep, and maintains the audit log's partitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import orjson

from taskyard.core.access.agent_user import AgentUser
from taskyard.core.models import Waiting
from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import locks
from taskyard.core.postgres.store.tick import Claimed

PARTITIONS_TIMEOUT_MS = 1_000  # readers of the log queue behind a waiting lock request; partitions are made days ahead
NIL = "00000000-0000-0000-0000-000000000000"


class OpenClaim(NamedTuple):
    """A claimed task as a new leader finds it; `started_at` is None if it has not started.

    `hedged` is the number of the attempt beside it and `hedge_agent_id` who has that; None: nobody has one.
    """

    row: Claimed
    ready: float
    started_at: float | None
    hedged: int | None = None
    hedge_agent_id: str | None = None


def try_lead(tx: Transaction) -> bool:
    """Takes the leader's lock on this connection, if it is free."""
    return bool(tx.rows(queries("recovery")["try_lead"], {})[0][0])


def take_term(tx: Transaction, worker: str) -> int:
    """Begins the next term and returns its epoch, provided that what it reads first can be read."""
    tx.rows(queries("recovery")["term_tables"], {})
    return int(tx.rows(queries("recovery")["take_term"], {"worker": worker})[0][0])


def term_in_force(tx: Transaction) -> int:
    """Returns the epoch of the latest term."""
    return int(tx.rows(queries("recovery")["term_in_force"], {})[0][0])


def database_identity(tx: Transaction) -> str:
    """Returns the identity of the server and database as "number/number".

    The first is 0 if the server does not report it.
    """
    (oid, is_told), *_ = tx.rows(queries("recovery")["database_number"], {})
    server = tx.rows(queries("recovery")["server_identity"], {})[0][0] if is_told else "0"
    return f"{server}/{oid}"


def database_time(tx: Transaction) -> float:
    """Returns the database's time in epoch seconds."""
    return float(tx.rows(queries("recovery")["database_time"], {})[0][0])


def agent_users(tx: Transaction) -> list[AgentUser]:
    """Returns agents that have valid credentials of their own for Redis, by name."""
    rows = tx.rows(queries("recovery")["agent_users"], {})
    return [AgentUser(name, tuple(types), tuple(hashes)) for name, types, hashes in rows]


def claimed_tasks(tx: Transaction) -> list[OpenClaim]:
    """Returns every claimed task."""
    rows = tx.rows(queries("recovery")["claimed_tasks"], {})
    return [OpenClaim(Claimed(*row[:-4]), *row[-2:], *row[-4:-2]) for row in rows]


def open_slice(tx: Transaction, after: str, limit: int) -> tuple[list[Waiting], str | None]:
    """Returns the waiting tasks of one slice of unfinished rows, and the start of the next slice (None: no more)."""
    rows = tx.rows(queries("recovery")["open_slice"], {"after": after, "limit": limit})
    waiting = [Waiting.from_row(row) for row in rows if row[8]]
    return waiting, rows[-1][0] if len(rows) == limit else None


def how_they_wait(tx: Transaction, ids: Sequence[str]) -> dict[str, Waiting | None]:
    """Returns the queue data of those tasks that exist, by id; None for a task that does not wait."""
    rows = tx.rows(queries("recovery")["how_they_wait"], {"ids": plain(ids)})
    return {row[0]: Waiting.from_row(row) if row[8] else None for row in rows}


def not_held(tx: Transaction, pairs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Returns the pairs that are no longer their task's current claim."""
    ids, attempts = zip(*pairs, strict=True)
    return [
        (row[0], row[1])
        for row in tx.rows(queries("recovery")["not_held"], {"ids": plain(ids), "attempts": plain(attempts)})
    ]


def register_agents(tx: Transaction, agents: Sequence[dict[str, Any]]) -> list[str]:
    """Records agents that registered or declared more; returns the new ids.

    They are dictionaries of `core.protocol.AgentInfo`'s fields, a state, `known_types` (None: not declared), and
    `deployed`: [version before, now] by type (None: nothing new).
    """
    rows = tx.rows(queries("recovery")["register_agents"], {"agents": orjson.dumps(list(agents)).decode()})
    return [agent_id for agent_id, event in rows if event == "agent_joined"]


def end_agents(tx: Transaction, ended: Sequence[tuple[str, str]]) -> list[str]:
    """Records agents as "left" or "lost" unless they had ended; returns the ids of lost ones."""
    ids, states = zip(*ended, strict=True)
    rows = tx.rows(queries("recovery")["end_agents"], {"ids": quoted(ids), "states": plain(states)})
    return [agent_id for agent_id, is_lost in rows if is_lost]


def forget_boots(tx: Transaction, newest: Sequence[str]) -> None:
    """Deletes every ended boot of these agents' names, except these agents."""
    tx.rows(queries("recovery")["forget_boots"], {"ids": quoted(newest)})


def online_agents(tx: Transaction) -> list[str]:
    """Returns the ids of agents whose end is not recorded."""
    return [row[0] for row in tx.rows(queries("recovery")["online_agents"], {})]


def known_types(tx: Transaction) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns the declared types of agents whose end is not recorded: (id, fields of `core.protocol.KnownType`)."""
    return [(row[0], row[1]) for row in tx.rows(queries("recovery")["known_types"], {})]


def agent_versions(tx: Transaction) -> list[tuple[str, int]]:
    """Returns the boots of agents with the version of the protocol that each speaks."""
    return [(row[0], row[1]) for row in tx.rows(queries("recovery")["agent_versions"], {})]


def last_versions(tx: Transaction) -> dict[str, str]:
    """Returns the newest version of each type that agents declared which have ended."""
    return {row[0]: row[1] for row in tx.rows(queries("recovery")["last_versions"], {})}


def ensure_partitions(tx: Transaction, today: date, days_ahead: int = 7) -> list[str]:
    """Creates the audit log's partitions for today and the days ahead; returns the new ones.

    A day whose rows already went to the default partition stays there: PostgreSQL would refuse the partition, and the
    rows are found all the same.
    """
    locks.wait_at_most(tx, PARTITIONS_TIMEOUT_MS)
    tx.rows(queries("recovery")["lock_partitions"], {})
    existing = {row[0] for row in tx.rows(queries("recovery")["partitions"], {})}
    made = []
    for offset in range(days_ahead + 1):
        day = today + timedelta(days=offset)
        name = f"task_events_{day:%Y%m%d}"
        if name in existing or tx.rows(queries("recovery")["in_default"], {"start": day, "end": day + timedelta(1)}):
            continue
        statement = queries("recovery")["create_partition"]
        tx.rows(statement.format(name=name, start=f"{day} 00:00:00+00", end=f"{day + timedelta(1)} 00:00:00+00"), {})
        made.append(name)
    return made
