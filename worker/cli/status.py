"""Commands that show the whole: status, agents."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from core.states import TaskState
from worker.cli.output import Column, is_wide, print_json, print_line, print_table, state_text
from worker.cli.show import AsJson
from worker.cli.text import age, instant, seconds_since, visible


def status(as_json: AsJson = False) -> None:
    """Shows how many tasks are in each state, what waits and why, the agents, and who leads."""
    from core.store import holding, reading
    from worker.cli.connections import opened_reading
    from worker.cli.reasons import Reasons

    with opened_reading() as tx:
        counted = reading.state_counts(tx)
        lanes = reading.waiting_lanes(tx)
        present = [agent for agent in reading.agents(tx) if agent.left_at is None]
        epoch, leader, since = reading.leader(tx)
        is_led = reading.is_led(tx)
        holds = holding.holds(tx)
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
    every: Annotated[bool, typer.Option("--all", help="Also those that left or were lost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the registered agents: what they take, where they run."""
    from core.store import reading
    from worker.cli.connections import opened_reading

    with opened_reading() as tx:
        found = [agent for agent in reading.agents(tx) if every or agent.left_at is None]
    if as_json:
        print_json([agent.as_json() for agent in found])
    elif found:
        _print_agents(found)
    else:
        print_line("no agents" if every else "no agent is registered")


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
    return [agent.name, state_text(agent.state), slots, ", ".join(agent.types), ", ".join(agent.tags)]
