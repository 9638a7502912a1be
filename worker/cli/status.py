"""Implements commands that show the whole installation: status, agents."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from taskyard.core.humanize import compact_duration, percent
from taskyard.core.payload.printable_text import visible
from taskyard.core.states import TaskState
from taskyard.worker.cli.output import Column, is_wide, print_json, print_line, print_table, stacked, state_text
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import age, instant, seconds_since


def status(as_json: AsJson = False) -> None:
    """Shows how many tasks are in each state, the backlog and its reasons, the agents, and the leader."""
    from taskyard.core.postgres.store import holds as holds_store
    from taskyard.core.postgres.store import tasks as tasks_store
    from taskyard.core.reasons import Reasons
    from taskyard.worker.cli.connections import opened_reading

    with opened_reading() as tx:
        counted = tasks_store.state_counts(tx)
        lanes = tasks_store.waiting_lanes(tx)
        present = [agent for agent in tasks_store.agents(tx) if agent.left_at is None]
        epoch, leader, since = tasks_store.leader(tx)
        is_led = tasks_store.is_led(tx)
        holds = holds_store.holds(tx)
    reasons = Reasons(present, holds)
    counts = {state.value: counted.get(state, 0) for state in TaskState}
    if as_json:
        print_json(
            {
                "states": counts,
                "lanes": [
                    {
                        **lane.lane._asdict(),
                        "count": lane.count,
                        "oldest": lane.oldest.isoformat(),
                        "oldest_seconds": round(seconds_since(lane.oldest), 3),
                        "why": reasons.of_lane(lane.lane),
                    }
                    for lane in lanes
                ],
                "agents": [agent.as_json() for agent in present],
                "holds": [hold.as_json() for hold in holds.by_name.values()],
                "leader": {"epoch": epoch, "worker": leader, "since": since.isoformat()} if is_led else None,
            }
        )
        return
    print_table(
        [Column("state", fixed=True), Column("tasks", fixed=True, justify="right")],
        [[state_text(state), str(count)] for state, count in counts.items()],
    )
    print_line("")
    if lanes:
        _print_lanes(lanes, reasons)
        print_line("")
    if present:
        _print_agents(present)
    else:
        print_line("no agent is registered", "yellow")
    print_line("")
    for hold in holds.by_name.values():
        print_line(visible(str(hold)), "yellow")
    last = f"{leader}, term {epoch}, since {instant(since)}"
    if is_led:
        print_line(f"leader  {visible(last)}")
    else:
        print_line("leader  none now" + (f"; the last was {visible(last)}" if epoch else ""), "yellow")


def _print_lanes(lanes: list[Any], reasons: Any) -> None:
    headings = [Column("waiting", fixed=True, justify="right"), Column("oldest", fixed=True), Column("type")]
    headings += [Column("queue"), Column("requires"), Column("why")]
    print_table(
        headings,
        [
            [
                str(lane.count),
                age(lane.oldest),
                lane.lane.type,
                lane.lane.queue,
                ", ".join(lane.lane.requires),
                Text(reasons.of_lane(lane.lane) or "", style="yellow"),
            ]
            for lane in lanes
        ],
    )


def agents(
    every: Annotated[bool, typer.Option("--all", help="Include those that left or were lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the registered agents: their types, hosts, and results of the last 24 hours."""
    from taskyard.core.postgres.store import history
    from taskyard.core.postgres.store import tasks as tasks_store
    from taskyard.core.postgres.store.rollups import DAY
    from taskyard.worker.cli.connections import opened_servers

    with opened_servers() as (database, broker):
        with database.transaction() as tx:
            found = [agent for agent in tasks_store.agents(tx) if every or agent.left_at is None]
            now = tasks_store.now(tx).timestamp()
            did = history.reliability(tx, now - DAY, now)
        breakers = _open_breakers(broker)
    names = {agent.name for agent in found}
    did = [row for row in did if row.agent in names]
    if as_json:
        print_json(
            [
                {
                    **agent.as_json(),
                    "reliability": [row.as_json() for row in did if row.agent == agent.name],
                    "breakers": breakers.get(agent.name, []),
                }
                for agent in found
            ]
        )
        return
    if not found:
        print_line("no agents" if every else "no agent is registered")
        return
    _print_agents(found)
    _print_differing(found)
    if did:
        print_line("")
        _print_reliability(did)
    for name, listed in sorted(breakers.items()):
        for breaker in listed:
            print_line(visible(f"{name} gets no tasks of type {breaker['type']}: {breaker['reason']}"), "yellow")


def _print_differing(found: list[Any]) -> None:
    """Prints the types that present agents know in different versions, as during a deployment."""
    versions: dict[str, dict[str, list[str]]] = {}
    for agent in found:
        for name, version in (agent.known_types or {}).items() if agent.left_at is None else ():
            versions.setdefault(name, {}).setdefault(version, []).append(agent.name)
    for name, by_version in sorted(versions.items()):
        if len(by_version) > 1:
            listed = "; ".join(
                f"{version}: {', '.join(sorted(names))}" for version, names in sorted(by_version.items())
            )
            print_line(visible(f"type {name} exists in {len(by_version)} versions: {listed}"), "yellow")


def _open_breakers(broker: Any) -> dict[str, list[dict[str, Any]]]:
    """Returns the open circuit breakers by agent name; empty without a leader or without Redis."""
    import msgspec

    from taskyard.core.errors import Unavailable
    from taskyard.core.redis.cache import RedisCache
    from taskyard.core.telemetry.live_snapshot import read_live

    try:
        live = read_live(RedisCache(broker.redis, broker.keys))
    except Unavailable as error:
        print_line(str(error), "yellow", stderr=True)
        return {}
    agents = live.agents if live is not None else []
    return {agent.name: msgspec.to_builtins(agent.breakers) for agent in agents if agent.breakers}


def _print_reliability(did: list[Any]) -> None:
    headings = [Column("agent"), Column("type"), Column("attempts", fixed=True, justify="right")]
    headings += [Column("succeeded", fixed=True, justify="right"), Column("mean run", fixed=True, justify="right")]
    print_table(
        headings,
        [
            [
                row.agent,
                row.type,
                f"{row.completed + row.failed:,}",
                Text(percent(row.success_rate, 1), "red" if row.success_rate < 0.9 else ""),
                "" if row.mean_seconds is None else compact_duration(row.mean_seconds),
            ]
            for row in did
        ],
        title="last 24 hours",
    )


def _print_agents(found: list[Any]) -> None:
    headings = [Column("agent"), Column("state", fixed=True), Column("slots", fixed=True, justify="right")]
    headings += [Column("types"), Column("tags")]
    if not is_wide():
        print_table(headings, [_agent_row(agent) for agent in found])
        return
    headings += [Column("host"), Column("pid", fixed=True), Column("boot", fixed=True), Column("since", fixed=True)]
    print_table(
        headings,
        [
            [*_agent_row(agent), agent.host, str(agent.pid), agent.boot_id, instant(agent.registered_at)]
            for agent in found
        ],
    )


def _agent_row(agent: Any) -> list[str | Text | None]:
    slots = str(agent.max_concurrency)
    name = stacked((agent.name, ""), (agent.agent_class, "dim")) if agent.agent_class else agent.name
    return [name, state_text(agent.state), slots, ", ".join(agent.types), ", ".join(agent.tags)]
