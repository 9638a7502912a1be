"""Whatever is handed to a submission, it is stored whole and runs, or it is refused with one clear line.

TASKYARD_TEST_FUZZ_CASES says how many things are handed over (50,000 take some minutes), TASKYARD_TEST_FUZZ_SEED where
to begin.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from taskyard.core.errors import SubmissionError
from taskyard.core.submission.bulk_file import read_file
from taskyard.core.submission.bulk_rows import check_rows
from taskyard.core.submission.options import OPTIONS
from taskyard.core.submission.validate import Limits
from taskyard.core.task_types.registry import registry
from tests.effort import SUBMISSION_CASES, SUBMISSION_SEED
from tests.engine import Engine
from tests.odd_values import odd, plain
from tests.servers import wait_until
from tests.unit.fuzz_arguments import ODD, invoke

ROUND = 350
COMMAND_OPTIONS = (
    *("--input", "--title", "--queue", "--priority", "--timeout", "--delay", "--run-at", "--max-attempts"),
    *("--require", "--key", "--after", "--created-by"),
)
LIKELY: dict[str, Callable[[random.Random], Any]] = {
    "title": lambda chance: chance.choice(["a title", "é🙂", "%s \\ {}\t\n"]),
    "queue": lambda chance: chance.choice(["default", "other", "a.b-c_9"]),
    "priority": lambda chance: chance.choice(["low", "medium", "high", "urgent"]),
    "timeout_seconds": lambda chance: chance.choice([5, 60.0, 3600]),
    "max_attempts": lambda chance: chance.choice([1, 3, 100]),
    "delay_seconds": lambda chance: chance.choice([0, 0.0, 1e-3]),
    "run_at": lambda chance: chance.choice(["2026-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)]),
    "requires": lambda chance: [],
    "idempotency_key": lambda chance: f"key-{chance.randrange(1 << 60)}",
    "created_by": lambda chance: chance.choice(["", "me", "漢"]),
    "creator_agent_id": lambda chance: "agent:1",
    "parent_id": lambda chance: "0199c0de-0000-7000-8000-000000000001",
    "after": lambda chance: [],
    "when": lambda chance: chance.choice(["completed", "ended", "failed"]),
}


class Border:
    """Hands things over by every way in, and knows what was accepted: input by id."""

    def __init__(self, engine: Engine, chance: random.Random, folder: Path) -> None:
        self._submitter = engine.submitter
        self._chance = chance
        self._file = folder / "tasks"
        self.accepted: dict[str, Any] = {}
        self.refused = 0
        self._ways = [*[self._one] * 30, *[self._many] * 12, *[self._bulk_file] * 6, self._command, self._lines]

    def act(self) -> None:
        self._chance.choice(self._ways)()

    def _given(self) -> Any:
        draw = self._chance.random()
        if draw < 0.5:
            return {"value": plain(self._chance), "b": plain(self._chance)}
        return odd(self._chance) if draw < 0.7 else {"value": odd(self._chance)}

    def _options(self) -> dict[Any, Any]:
        chance = self._chance
        names = chance.sample(OPTIONS, chance.choice([0, 0, 1, 1, 2, 4]))
        options: dict[Any, Any] = {
            name: odd(chance) if chance.random() < 0.25 else LIKELY[name](chance) for name in names
        }
        if chance.random() < 0.03:
            options[chance.choice(["typo", "registry", "now", "limits", "", "é"])] = odd(chance)
        return options

    def _type(self) -> Any:
        return odd(self._chance) if self._chance.random() < 0.05 else "demo.echo"

    def _one(self) -> None:
        options = self._options()
        if self._chance.random() < 0.02:
            options["connection"] = odd(self._chance)
        given = self._given()
        self._try(lambda: [self._submitter.submit(self._type(), given, **options)], [given])

    def _many(self) -> None:
        chance = self._chance
        items: Any = [
            {"type": self._type(), "input": self._given(), **self._options()} for _ in range(chance.choice([1, 1, 2]))
        ]
        draw = chance.random()
        if draw < 0.1:
            items.append(odd(chance))
        elif draw < 0.15:
            items[0] = dict.fromkeys([1, None, "type", ("a",)], 1)
        elif draw < 0.2:
            items = odd(chance)
        progress = chance.choice([5, "x", b"", [], object()]) if chance.random() < 0.05 else None
        if type(items) not in (list, tuple, dict, str, bytes, int, float, type(None)):
            return  # what its own iteration raises, or that it has no end, is the caller's
        inputs = [item.get("input") for item in items if type(item) is dict] if isinstance(items, list) else []
        self._try(
            lambda: self._submitter.submit_many(items, progress=progress if not callable(progress) else None), inputs
        )

    def _bulk_file(self) -> None:
        """As the dashboard does it, with the types of the installation."""
        content = self._content([*"abc", '{"type": "diagnostic.noop"}', "type,title\ndiagnostic.noop,x\n"])
        limits = Limits(1 << 20, 1 << 20)
        try:
            name = self._chance.choice(["", "a.csv", "a.jsonl", "\x00", "a.tsv"])
            checked = check_rows(read_file(content, name), registry, limits, datetime.now(UTC))
        except SubmissionError as error:
            self._note(error)
            return
        for problem in checked.problems:
            assert len(f"{problem.field}{problem.value}".splitlines()) <= 2 or problem.value
            assert isinstance(problem.expected, str)

    def _content(self, parts: list[str]) -> bytes:
        chance = self._chance
        text = "".join(
            chance.choice([*parts, *ODD, "\n", ",", '"', "{", "}", ":"]) for _ in range(chance.randrange(12))
        )
        content = text.encode("utf-8", "surrogatepass")
        if chance.random() < 0.2:
            at = chance.randrange(len(content) + 1)
            content = content[:at] + chance.randbytes(3) + content[at:]
        return content

    def _command(self) -> None:
        chance = self._chance
        words = ["submit", "diagnostic.noop" if chance.random() < 0.8 else chance.choice(ODD)]
        for option in chance.sample(COMMAND_OPTIONS, 2):
            words += [option, chance.choice(ODD)]
        self._ran(words)

    def _lines(self) -> None:
        chance = self._chance
        lines = [
            json.dumps({"type": "diagnostic.noop", "title": "x", "priority": chance.choice(["low", 5, None, "high"])})
            for _ in range(chance.randrange(3))
        ]
        self._file.write_bytes("\n".join(lines).encode() + (self._content(["\n"]) if chance.random() < 0.6 else b""))
        self._ran(["submit", "--file", str(self._file), "--json"])

    def _ran(self, words: list[str]) -> None:
        result = invoke(words)
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
        assert "Traceback" not in result.output, words
        if result.exit_code == 0 and "--json" in words:
            self.accepted |= dict.fromkeys(json.loads(result.stdout)["ids"])
        elif result.exit_code == 0:
            self.accepted[result.stdout.strip()] = None
        else:
            self.refused += 1
            assert "error: " in result.stderr or "Usage:" in result.output or "Error" in result.stderr, words

    def _try(self, call: Callable[[], list[str]], inputs: list[Any]) -> None:
        try:
            ids = call()
        except SubmissionError as error:
            self._note(error)
            return
        assert len(ids) == len(inputs)
        self.accepted |= zip(ids, inputs, strict=True)

    def _note(self, error: SubmissionError) -> None:
        self.refused += 1
        line = str(error)
        assert line == error.text
        assert len(line.splitlines()) == 1, line
        assert line.isprintable(), line
        assert len(line) < 10_000, line
        assert " is not accepted, expected " in line or " is required" in line


@pytest.fixture
def border(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Border:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(engine.settings, name)))
    for known in registry.load(()).types.values():
        engine.registry.types.setdefault(known.name, known)
    engine.worker()
    engine.agent(tags=["a", "tag", "z0", "input0", "n0"], types=["demo.echo", "diagnostic.noop"], max_concurrency=8)
    return Border(engine, random.Random(SUBMISSION_SEED), tmp_path)


def test_whatever_is_submitted_is_stored_whole_and_runs_or_is_refused(engine: Engine, border: Border) -> None:
    for number in range(0, SUBMISSION_CASES, ROUND):
        for _ in range(min(ROUND, SUBMISSION_CASES - number)):
            border.act()
        _assert_all_is_whole(engine, border, number)
    assert border.refused > SUBMISSION_CASES / 10


def _assert_all_is_whole(engine: Engine, border: Border, number: int) -> None:
    """Exactly what was accepted is there, with its input and first event, and what may run does."""
    with engine.database.transaction() as tx:
        rows = tx.rows("SELECT id, input::text FROM tasks", {})
        counted = tx.rows("SELECT task_id, count(*) FROM task_events WHERE event = 'submitted' GROUP BY 1", {})
    assert {id_ for id_, _ in rows} == border.accepted.keys(), f"case {number}"
    assert {str(id_): count for id_, count in counted} == dict.fromkeys(border.accepted, 1), f"case {number}"
    for id_, text in rows:
        given = border.accepted[id_]
        if isinstance(given, dict) and _is_plain(given):
            assert orjson.loads(text) == orjson.loads(orjson.dumps(given)), (id_, given)
            assert list(orjson.loads(text)) == list(given)
    wait_until(lambda: not _unended(engine), 60, f"case {number}")


def _is_plain(value: Any) -> bool:
    if type(value) in (dict, list, tuple):
        return all(map(_is_plain, value.values() if type(value) is dict else value))
    return type(value) in (str, int, float, bool, type(None))


def _unended(engine: Engine) -> list[Any]:
    """What should have run by now and did not: it is not for later, and its tags are there."""
    with engine.database.transaction() as tx:
        return list(
            tx.rows(
                "SELECT id, state, type, requires, run_at, input::text, error::text FROM tasks "
                "WHERE state <> 'completed' AND (run_at IS NULL OR run_at < now()) AND waiting_on = 0 "
                "AND requires <@ '{a,tag,z0,input0,n0}'",
                {},
            )
        )
