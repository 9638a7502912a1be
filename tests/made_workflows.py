"""Workflows in every condition, without a worker: submitted as always, and then moved by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from taskyard.core.postgres.database import Database
from taskyard.core.submission.submit import Submitter
from taskyard.core.workflows.checked import Submitted
from taskyard.core.workflows.making import ref, ref_all, task

# Seconds ago that those of a state started and ended.
TIMES: Mapping[str, tuple[float | None, float | None]] = {
    "pending": (None, None),
    "in_progress": (8.0, None),
    "completed": (60.0, 20.0),
    "failed": (40.0, 30.0),
    "cancelled": (None, 30.0),
}
MOVE = """
UPDATE tasks SET state = %(state)s, attempt = CASE WHEN %(started)s IS NULL THEN 0 ELSE 1 END,
    waiting_on = CASE WHEN %(state)s = 'blocked' THEN waiting_on ELSE 0 END,
    assigned_agent_id = CASE WHEN %(started)s IS NULL THEN NULL ELSE 'builder:b1' END,
    assigned_at = now() - make_interval(secs => %(started)s::float8),
    started_at = now() - make_interval(secs => %(started)s::float8),
    finished_at = now() - make_interval(secs => %(ended)s::float8),
    output = CASE WHEN %(state)s = 'completed' THEN '{"value": 1}'::jsonb END,
    error = CASE WHEN %(state)s = 'failed'
        THEN '{"class": "permanent", "message": "no such page", "fingerprint": "00aa11bb22cc33dd"}'::jsonb END
WHERE id = ANY(%(ids)s::uuid[]) RETURNING id
"""
CLOSE = """
UPDATE task_dependencies d SET is_open = false, met_at = CASE WHEN p.state = 'completed' THEN now() END
FROM tasks p WHERE p.id = d.parent_id AND p.finished_at IS NOT NULL AND p.workflow_id = %(id)s::uuid RETURNING 1
"""
END = """
UPDATE workflows SET ended_at = now(), state = %(state)s,
    counts = (SELECT jsonb_object_agg(s.state, s.n) FROM
        (SELECT state, count(*) AS n FROM tasks WHERE workflow_id = %(id)s::uuid GROUP BY 1) s)
WHERE id = %(id)s::uuid RETURNING id
"""


def report(width: int, **options: Any) -> dict[str, Any]:
    """extract → a group of pages → total → publish; and an alarm if the total fails."""
    return {
        "extract": task("diagnostic.echo", {"value": width}, title="Extract the rows", **options),
        "pages": [task("diagnostic.echo", {"value": ref("extract", "value")}, **options) for _ in range(width)],
        "total": task("diagnostic.echo", {"value": ref_all("pages")}, title="Add all pages up", **options),
        "publish": task("diagnostic.noop", after=["total"], **options),
        "alarm": task("diagnostic.noop", after=["total"], when="failed", **options),
    }


def submit(submitter: Submitter, width: int = 3, name: str = "report", **options: Any) -> Submitted:
    """Submits `report`."""
    return submitter.workflows.submit(name, report(width), created_by="ann", **options)


def move(database: Database, workflow: Submitted, states: Mapping[str, Sequence[str]]) -> None:
    """Brings tasks into states; `states` has their ids."""
    with database.transaction() as tx:
        for state, ids in states.items():
            started, ended = TIMES[state]
            tx.rows(MOVE, {"state": state, "ids": list(ids), "started": started, "ended": ended})
        tx.rows(CLOSE, {"id": workflow.id})


def end(database: Database, workflow: Submitted, state: str) -> None:
    """Stores the end of a workflow, as the leader does."""
    with database.transaction() as tx:
        tx.rows(END, {"id": workflow.id, "state": state})


def ids_of(workflow: Submitted, *keys: str) -> list[str]:
    """The ids of tasks, and of the members of groups, by key."""
    found: list[str] = []
    for key in keys:
        of = workflow.tasks[key]
        found += [of] if isinstance(of, str) else of
    return found
