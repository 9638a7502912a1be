"""Migrations of the release in the making only add, so that the last release's processes go on beside the new ones.

What takes something away is a step of its own, for a release after the one that stopped using it: see CONTRACTS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory

from taskyard.core.postgres.migrations import alembic_config
from taskyard.core.postgres.revisions import revisions
from taskyard.worker.devtools.prove.upgrade.release import named_release
from tests.servers import REPOSITORY

# Statements that take something away which no release uses any more that may still run: by revision, words of the
# statement, and which release was the last one that used it. The same migration moves `schema_reach` up to that one's
# successor.
CONTRACTS: dict[str, tuple[tuple[str, str], ...]] = {
    "0039": (("SET DEFAULT now()", "none: the columns had no default, and every release before writes them itself"),),
}

TAKES_AWAY = {
    "drops": r"\bDROP\b(?! NOT NULL)",
    "renames": r"\bRENAME\b",
    "changes a type": r"\bALTER (COLUMN )?\S+ (SET DATA )?TYPE\b",
    "demands a value that old code does not write": r"\bSET NOT NULL\b",
    "changes a default that old code relies on": r"\bALTER (COLUMN )?\S+ SET DEFAULT\b",
    "refuses rows that old code writes": r"\bADD (CONSTRAINT|CHECK|UNIQUE|FOREIGN|PRIMARY|EXCLUDE)\b",
    "refuses rows that old code writes, by an index": r"\bCREATE UNIQUE INDEX\b",
    "deletes rows": r"\b(DELETE FROM|TRUNCATE)\b",
    "takes a permission": r"\bREVOKE\b",
    "changes what old code writes": r"\bCREATE (OR REPLACE )?(CONSTRAINT )?(TRIGGER|RULE)\b",
    "replaces a function or view": r"\bOR REPLACE\b",
}
ADDED_COLUMN = re.compile(r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?(\w+) ([^,;]*)", re.I)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)


class Recorder:
    """Stands in for `alembic.op`, of which migrations use only `execute`."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: object) -> None:
        self.statements.append(str(statement))


def new_migrations() -> Iterator[tuple[str, list[str]]]:
    """The statements of each migration after the last release's newest."""
    scripts = ScriptDirectory.from_config(alembic_config())
    for script in scripts.iterate_revisions("head", named_release(REPOSITORY).revision):
        recorder = Recorder()
        module = script.module
        original, module.op = module.op, recorder
        try:
            module.upgrade()
        finally:
            module.op = original
        yield script.revision, recorder.statements


def problems(statement: str, allowed: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """What a statement takes from code that does not know it."""
    text = " ".join(COMMENT.sub(" ", statement).split())
    if any(words in text for words, _why in allowed):
        return []
    created = set(re.findall(r"\bCREATE TABLE (?:IF NOT EXISTS )?(\w+)", text, re.I))
    found = [f"{what}: {text}" for what, pattern in TAKES_AWAY.items() if re.search(pattern, text, re.I)]
    for name, rest in () if created else ADDED_COLUMN.findall(text):
        is_demanded = re.search(r"\bNOT NULL\b", rest, re.I) and not re.search(r"\b(DEFAULT|GENERATED)\b", rest, re.I)
        if is_demanded or re.search(r"\b(UNIQUE|CHECK|REFERENCES|PRIMARY KEY)\b", rest, re.I):
            found.append(f"adds {name}, which old code does not write as it has to be: {text}")
    return found


def test_a_start_knows_them_without_alembic() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert revisions() == tuple(script.revision for script in scripts.walk_revisions())[::-1]


def test_migrations_after_the_last_release_only_add() -> None:
    migrations = dict(new_migrations())
    found = {
        revision: [line for one in statements for line in problems(one, CONTRACTS.get(revision, ()))]
        for revision, statements in migrations.items()
    }
    assert {revision: lines for revision, lines in found.items() if lines} == {}, (
        "split it: add now, take away in a release after the one that stops using it (CONTRACTS)"
    )


def test_every_exception_is_of_a_migration_that_needs_it() -> None:
    statements = dict(new_migrations())
    for revision, allowed in CONTRACTS.items():
        for words, why in allowed:
            assert any(words in " ".join(one.split()) for one in statements[revision]), (revision, words)
            assert why


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE holds",
        "ALTER TABLE tasks DROP COLUMN title",
        "ALTER TABLE tasks RENAME COLUMN title TO name",
        "ALTER TABLE tasks ALTER COLUMN title TYPE integer",
        "ALTER TABLE tasks ALTER title SET DATA TYPE integer",
        "ALTER TABLE tasks ALTER COLUMN title SET NOT NULL",
        "ALTER TABLE tasks ADD COLUMN colour text NOT NULL",
        "ALTER TABLE tasks ADD colour text UNIQUE DEFAULT ''",
        "ALTER TABLE tasks ADD COLUMN parent uuid REFERENCES tasks",
        "ALTER TABLE tasks ADD CONSTRAINT tasks_titled CHECK (title <> '')",
        "CREATE UNIQUE INDEX tasks_title ON tasks (title)",
        "DELETE FROM holds",
        "REVOKE INSERT ON tasks FROM taskyard_app",
        "alter table tasks /* no longer used */ drop column title",
        "CREATE TRIGGER t BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION f()",
    ],
)
def test_what_takes_something_away_is_found(statement: str) -> None:
    assert problems(statement)
    assert problems(statement, ((" ".join(statement.split())[:20], "0.1.0"),)) == [] or "/*" in statement


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE colours (name text PRIMARY KEY, shade text NOT NULL UNIQUE)",
        "ALTER TABLE tasks ADD COLUMN colour text",
        "ALTER TABLE tasks ADD COLUMN colour text NOT NULL DEFAULT ''",
        "ALTER TABLE tasks ADD COLUMN size integer GENERATED ALWAYS AS (1) STORED NOT NULL",
        "ALTER TABLE tasks ALTER COLUMN title DROP NOT NULL",
        "CREATE INDEX tasks_colour ON tasks (colour)",
        "UPDATE tasks SET colour = 'red'  -- and drop nothing",
    ],
)
def test_what_only_adds_is_fine(statement: str) -> None:
    assert problems(statement) == []
