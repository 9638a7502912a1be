"""`prove`'s count of workflows and questions: right work passes, and every wrong row is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Transaction
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE
from taskyard.worker.devtools.prove.workflows import answers, plan, rows
from taskyard.worker.devtools.prove.workflows.answers import Answers
from taskyard.worker.devtools.prove.workflows.load import WorkflowLoad, journalled
from taskyard.worker.devtools.prove.workflows.oracle import WorkflowVerdict, judge_workflows
from taskyard.worker.devtools.prove.world import MODULES, World
from tests.engine import Engine, running_engine
from tests.servers import wait_until

# What is damaged, by a statement that changes one row (or what belongs to one), and what the count has to say of it.
OF_A = "(SELECT t.id FROM tasks t JOIN workflows w ON w.id = t.workflow_id WHERE {where} ORDER BY t.id LIMIT 1)"
MADE = OF_A.format(where="t.workflow_key = 'sum' AND t.state = 'completed'")
PAGE = OF_A.format(where="t.workflow_key = 'pages/0' AND t.state = 'completed' AND w.title ~ ': through$'")
ASKED = "(SELECT id FROM questions WHERE state = 'answered' AND key = 'both')"
DAMAGES = [
    (
        "DELETE FROM workflows WHERE id = (SELECT id FROM workflows WHERE title ~ ': group$' LIMIT 1)",
        "lost",
        "workflow ",
    ),
    (f"UPDATE tasks SET workflow_id = NULL WHERE id = {PAGE}", "lost", "task "),
    (f"UPDATE tasks SET attempt = attempt + 1 WHERE id = {MADE}", "lost", "0 times"),
    ("DELETE FROM question_answers WHERE answered_by = 'lee'", "lost", "the answer of lee"),
    ("UPDATE workflows SET state = NULL, ended_at = NULL WHERE title ~ ': through$'", "stuck", "nothing left to run"),
    (f"UPDATE tasks SET state = 'pending', finished_at = NULL WHERE id = {PAGE}", "stuck", "is pending"),
    (f"UPDATE task_inputs SET is_due = true WHERE task_id = {MADE}", "stuck", "still to be made"),
    (f"UPDATE task_dependencies SET is_open = true, met_at = NULL WHERE child_id = {MADE}", "stuck", "is open"),
    (f"UPDATE questions SET state = 'open', ended_at = NULL WHERE id = {ASKED}", "stuck", "is open"),
    ("UPDATE workflows SET title = (SELECT max(title) FROM workflows) WHERE title ~ ': chain$'", "twice", "is stored"),
    (
        "UPDATE workflows SET parent_task_id = (SELECT min(parent_task_id::text)::uuid FROM workflows)"
        " WHERE parent_task_id IS NOT NULL",
        "twice",
        " workflows",
    ),
    (
        "INSERT INTO task_events (task_id, event, from_state, to_state, attempt, actor)"
        f" SELECT {PAGE}, 'completed', 'in_progress', 'completed', 1, 'x'",
        "twice",
        "ended 2 times",
    ),
    (
        "INSERT INTO questions (id, task_id, key, question, of, needs, submitted_by, state, ended_at)"
        " SELECT gen_random_uuid(), task_id, key, question, of, needs, submitted_by, 'withdrawn', now()"
        f" FROM questions WHERE id = {ASKED}",
        "twice",
        "asked 'both' 2 times",
    ),
    (
        "INSERT INTO task_signals (task_id, name, signal_id, number, kind)"
        f" SELECT task_id, 'ask:' || key, 'other', 9, 'answer' FROM questions WHERE id = {ASKED}",
        "twice",
        "gave its task 2 answers",
    ),
    ("UPDATE workflows SET counts = '{\"completed\": 1}' WHERE title ~ ': through$'", "wrong", "counts {'completed'"),
    ("UPDATE workflows SET state = 'failed' WHERE title ~ ': through$'", "wrong", "by its tasks completed"),
    (
        "UPDATE workflows SET state = 'cancelled', cancelled_at = now() WHERE title ~ ': through$'",
        "wrong",
        "meant was ('completed',)",
    ),
    (f"""UPDATE tasks SET input = '{{"parts": []}}' WHERE id = {MADE}""", "wrong", "by its parents' outputs"),
    (
        f"""UPDATE tasks SET output = '{{"task_id": "x", "attempt": 1, "total": 1}}' WHERE id = {MADE}""",
        "wrong",
        "its output is of x",
    ),
    (
        f"UPDATE tasks SET output = jsonb_set(output::jsonb, '{{total}}', '0') WHERE id = {MADE}",
        "wrong",
        "its total is 0",
    ),
    (
        "UPDATE tasks SET output = jsonb_set(output::jsonb, '{workflow_id}', '\"x\"')"
        " WHERE type = 'prove.plan' AND state = 'completed'",
        "wrong",
        "submitted workflow x",
    ),
    (f"UPDATE task_dependencies SET condition = 'failed' WHERE child_id = {MADE}", "wrong", "waits for failed"),
    (f"UPDATE task_dependencies SET met_at = NULL WHERE child_id = {MADE}", "wrong", "is not met, and the child"),
    (
        "UPDATE tasks SET state = 'cancelled', error = NULL WHERE workflow_key = 'last' AND state = 'completed'",
        "wrong",
        "was cancelled by nobody",
    ),
    (f"UPDATE questions SET state = 'expired' WHERE id = {ASKED}", "wrong", "is expired, by its answers answered"),
    (
        f"UPDATE question_answers SET data = '{{}}' WHERE question_id = {ASKED} AND answered_by = 'bob'",
        "wrong",
        "approvals of different data",
    ),
    ("UPDATE task_signals SET kind = 'timeout' WHERE name = 'ask:both'", "wrong", "its task got ['timeout']"),
    (
        f"UPDATE tasks SET output = jsonb_set(output::jsonb, '{{word}}', '\"no\"') WHERE id = (SELECT task_id FROM"
        f" questions WHERE id = {ASKED})",
        "wrong",
        "its task says",
    ),
]


@pytest.fixture
def proved(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv(LEDGER_VARIABLE, str(tmp_path / "ledger.jsonl"))
    registry.load(MODULES.split(","))
    with running_engine(settings, registry) as engine:
        engine.worker()
        engine.agent(max_concurrency=4)
        yield engine


def test_the_count_passes_right_work_and_finds_every_wrong_row(proved: Engine, tmp_path: Path) -> None:
    world = cast(World, SimpleNamespace(database=proved.database, submitter=proved.submitter, folder=tmp_path))
    answering, load = Answers(world), WorkflowLoad(world, seed=1, per_second=20.0)
    wait_until(lambda: len(journalled(world)) > 3 * len(plan.ROUND), 60)
    load.stop()
    wait_until(lambda: not rows.open_workflows(proved.database), 60)
    answering.stop()
    assert (load.trouble, answering.trouble) == ("", "")
    with proved.database.transaction() as tx:
        found = verdict_of(tx, world)
        assert found.is_kept, (found.lost, found.stuck, found.twice, found.wrong)
        assert {said["manner"] for said in journalled(world).values()} == set(plan.MANNERS)
        assert found.by_handlers
        assert found.retried
        assert found.made_inputs
        assert set(found.questions) == {"answered", "declined", "expired"}
    found_of = {statement: getattr(damaged(proved, world, statement), kind) for statement, kind, _ in DAMAGES}
    assert not {one: found_of[one] for one, _, text in DAMAGES if not any(text in line for line in found_of[one])}
    with proved.database.transaction() as tx:
        assert verdict_of(tx, world).is_kept, "all damage was undone"


class Undo(Exception):
    """Ends a transaction that is not to be kept."""


def damaged(engine: Engine, world: World, statement: str) -> WorkflowVerdict:
    """The verdict on rows of which one is wrong, which are put right again."""
    with suppress(Undo), engine.database.transaction() as tx:
        assert tx.rows(f"WITH changed AS ({statement} RETURNING 1) SELECT count(*) FROM changed", {})[0][0], statement
        found = verdict_of(tx, world)
        raise Undo
    return found


def verdict_of(tx: Transaction, world: World) -> WorkflowVerdict:
    ledger: list[Any] = records.read(world.folder / "ledger.jsonl")
    return judge_workflows(journalled(world), rows.read(tx), ledger, records.read(world.folder / answers.JOURNAL))
