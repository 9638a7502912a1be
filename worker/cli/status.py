"""Implements commands that show the whole installation: status, agents."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from taskyard.core.humanize import compact_duration, percent
from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.opened import opened_site
from taskyard.worker.cli.output import Column, is_wide, print_json, print_line, print_table, stacked, state_text
from taskyard.worker.cli.ports.site import ShownLane, Status
from taskyard.worker.cli.show import AsJson
from taskyard.worker.cli.text import age, instant, seconds_since


def status(as_json: AsJson = False) -> None:
    """Shows how many tasks are in each state, the backlog and its reasons, the agents, and the leader."""
    with opened_site() as site:
        found = site.status()
    if as_json:
        print_json(_as_json(found))
        return
    print_table(
        [Column("state", fixed=True), Column("tasks", fixed=True, justify="right")],
        [[state_text(state), str(count)] for state, count in found.states.items()],
    )
    print_line("")
    if found.lanes:
        _print_lanes(found.lanes)
        print_line("")
    if found.agents:
        _print_agents(found.agents)
    else:
        print_line("no agent is registered", "yellow")
    print_line("")
    for hold in found.holds:
        print_line(visible(str(hold)), "yellow")
    last = f"{found.leader}, term {found.epoch}, since {instant(found.since)}"
    if found.is_led:
        print_line(f"leader  {visible(last)}")
    else:
        print_line("leader  none now" + (f"; the last was {visible(last)}" if found.epoch else ""), "yellow")


def _as_json(found: Status) -> dict[str, Any]:
    leader = {"epoch": found.epoch, "worker": found.leader, "since": found.since.isoformat()}
    return {
        "states": found.states,
        "lanes": [
            {
                **one.lane._asdict(),
                "count": one.count,
                "oldest": one.oldest.isoformat(),
                "oldest_seconds": round(seconds_since(one.oldest), 3),
                "why": one.why,
            }
            for one in found.lanes
        ],
        "agents": [agent.as_json() for agent in found.agents],
        "holds": [hold.as_json() for hold in found.holds],
        "leader": leader if found.is_led else None,
    }


def _print_lanes(lanes: list[ShownLane]) -> None:
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
                Text(lane.why or "", style="yellow"),
            ]
            for lane in lanes
        ],
    )


def agents(
    every: Annotated[bool, typer.Option("--all", help="Include those that left or were lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the registered agents: their types, hosts, and results of the last 24 hours."""
    with opened_site() as site:
        seen = site.agents(every=every)
    found, did, breakers = seen.boots, seen.results, seen.breakers
    if seen.problem is not None:
        print_line(seen.problem, "yellow", stderr=True)
    if as_json:
        print_json(
            [
                {
                    **agent.as_json(),
                    "reliability": [asdict(row) for row in did if row.agent == agent.name],
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
