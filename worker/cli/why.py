"""Implements the command that explains why a task waits."""

from __future__ import annotations

from rich.text import Text

from taskyard.core.payload.printable_text import visible
from taskyard.worker.cli.opened import opened_tasks
from taskyard.worker.cli.output import Column, print_fields, print_json, print_line, print_table, state_text
from taskyard.worker.cli.show import AsJson, TaskId


def why(task: TaskId, as_json: AsJson = False) -> None:
    """Explains why a task waits: its holds, its position, each agent's eligibility, its estimated start.

    Where run times are predicted the start is a range, with how often such ranges held; else it rests on the attempts
    of its type that ended in the last minute.
    """
    with opened_tasks() as port:
        found = port.why(task)
    if as_json:
        print_json(found.as_json())
        return
    place = "" if found.before is None else f"{found.before + 1} of {found.lane_depth} in its lane"
    print_fields(
        [
            ("id", found.task_id),
            ("state", state_text(found.state)),
            ("why", visible(found.summary)),
            *[("held", visible(held)) for held in found.holds[1:]],
            ("place", place),
            ("starts", visible(found.starts)),
            ("run time", visible(found.prediction)),
        ]
    )
    if found.agents:
        print_line("")
        print_table(
            [Column("agent"), Column("takes it", fixed=True), Column("why")],
            [
                [v.agent, Text("now", "green") if v.takes else Text("later", "yellow") if v.can else "no", v.reason]
                for v in found.agents
            ],
        )
