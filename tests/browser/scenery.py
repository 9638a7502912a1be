"""An installation with work in it, as `make run` starts one, for pictures of its pages."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import running_urls
from taskyard.core.postgres.database import Database
from tests import made_comparisons
from tests.browser.dashboards import _Server, entry_of
from tests.servers import REPOSITORY, free_port, wait_until

HISTORY = ("--tasks", "20000", "--days", "7", "--force")
COMMAND_SECONDS = 300
WORK_SECONDS = 300  # until there is something of everything
RULE = "tasks wait long"
GROUPS_WANTED, COMPLETED_WANTED = 4, 15
NO_WORKFLOW = "01900000-0000-7000-8000-000000000000"
COMPARED_HOURS = 48
SHORT = "diagnostic.sleep_async"
WAVES, WAVE_TASKS = 4, 90  # of short tasks: as many results as are needed to judge predictions
LEARNED_AGENTS = ("coder-1", "tester-1", "analyst-1")
LEARNED_TYPES = ("render.poster", "render.preview", "mail.send", "index.documents")
STEPS = 300  # half a minute each, nine at a time


class Scenery(_Server):
    """`taskyard run --dashboard --demo --migrate`, on embedded servers below `folder`; the samples are its demo."""

    def __init__(self, folder: Path, *, with_samples: bool = True) -> None:
        self._folder = folder
        port = free_port()
        environment = {
            "TASKYARD_DATA_DIR": str(folder / "data"),
            "TASKYARD_DASHBOARD_PORT": str(port),
            "TASKYARD_API_PORT": str(free_port()),
            "TASKYARD_METRICS_PORT": "0",
            "TASKYARD_GRACE_SECONDS": "1",
            "LOGNAME": "operator",  # who acts, in the audit log
        }
        samples = ["--demo"] if with_samples else []
        command = [sys.executable, "-m", "worker", "run", "--dashboard", *samples, "--migrate"]
        super().__init__(command, environment, port, folder / "log")

    def fill(self) -> None:
        """A week of history, and work of every kind: held back, failing, due later. Waits until it is there."""
        self.command("seed", *HISTORY)
        self.command("pause", "queue", "reports", "--yes", "--reason", "the disk of the archive is full")
        self.command("silence", RULE, "--subject", "reports", "--minutes", "120", "--reason", "the queue is paused")
        self.command("webhooks", "add", "on-call", "https://hooks.example.com/taskyard", "--outcome", "failed")
        self._put_learned()
        self._run_short_ones()
        self._add_schedules()
        self._submit_workflow()
        self._submit(_steps())
        self._submit(_later())
        parent = self._submit_one("diagnostic.sleep", {"seconds": 20}, "--title", "Collect the figures of the week")
        for title in ("Write the summary", "Draw the charts"):
            self._submit_one("diagnostic.sleep", {"seconds": 5}, "--title", title, "--after", parent)
        wait_until(self._is_full, WORK_SECONDS, "work of every kind is there")

    def sign_in_path(self) -> str:
        """The path of a link that signs a browser in, once."""
        database_url, _redis_url = running_urls(self._folder / "data")
        return entry_of(load_settings(database_url=database_url))

    def command(self, *arguments: str) -> str:
        """Runs a command of the command line; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}{self.log.read_text()[-2000:]}"
        return done.stdout

    def workflow_id(self) -> str:
        """The id of the newest workflow; that of none if there is none."""
        found = json.loads(self.command("workflow", "list", "--json"))
        return str(found[0]["id"]) if found else NO_WORKFLOW

    def tasks(self, *arguments: str) -> list[dict[str, Any]]:
        """The newest tasks that `list` shows."""
        found: list[dict[str, Any]] = json.loads(self.command("list", "--json", *arguments))
        return found

    def _put_learned(self) -> None:
        """What a worker learns in days: policies compared each hour, and how agents differ at types of their own."""
        database_url, _redis_url = running_urls(self._folder / "data")
        database = Database(str(database_url))
        made_comparisons.store(database, made_comparisons.of_a_cluster("renders", COMPARED_HOURS))
        made_comparisons.factors_of(database, LEARNED_AGENTS, LEARNED_TYPES)
        database.close()

    def _run_short_ones(self) -> None:
        """Tasks that take about a quarter of a second, wave after wave, which are then known."""
        rng = random.Random(5)
        for wave in range(1, WAVES + 1):
            self._submit(
                [
                    {
                        "type": SHORT,
                        "input": {"seconds": round(rng.lognormvariate(-1.5, 0.6), 3)},
                        "priority": "urgent",
                    }
                    for _ in range(WAVE_TASKS)
                ]
            )
            wanted = wave * WAVE_TASKS
            wait_until(lambda wanted=wanted: len(self._ended("completed", "--type", SHORT)) >= wanted, WORK_SECONDS)

    def _submit_workflow(self) -> None:
        """A workflow of several steps, of which one fails."""
        file = self._folder / "warehouse.json"
        file.write_text(
            json.dumps({"name": "warehouse", "title": "Load the warehouse", "tasks": _warehouse()}), "utf-8"
        )
        self.command("workflow", "submit", str(file))

    def _add_schedules(self) -> None:
        """Schedules of every kind, with a week behind them."""
        noop = ("--type", "diagnostic.noop", "--zone", "Europe/Berlin")
        self.command("schedule", "add", "index", *noop, "--cron", "0 */6 * * *", "--queue", "nightly")
        self.command("schedule", "backfill", "index", "--from", "7d", "--yes")
        self.command("schedule", "add", "report.daily", *noop, "--cron", "30 7 * * mon-fri", "--expect", "2h")
        often = ("--type", "diagnostic.sleep", "--input", '{"seconds": 8}', "--every", "5s", "--overlap", "skip")
        self.command("schedule", "add", "often", *often)
        failing = ("--type", "diagnostic.fail", "--input", '{"message": "no route to the store"}', "--every", "10s")
        self.command("schedule", "add", "sync", *failing, "--max-attempts", "1")
        self.command("schedule", "add", "archive", *noop, "--cron", "0 3 1 * *")
        self.command("schedule", "pause", "archive", "--reason", "the archive moves")
        self.command("schedule", "run", "report.daily")

    def _submit(self, lines: list[dict[str, Any]]) -> None:
        file = self._folder / "tasks.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        self.command("submit", "--file", str(file))

    def _submit_one(self, type_: str, given: dict[str, Any], *options: str) -> str:
        answer = self.command("submit", type_, "--input", json.dumps(given), "--json", *options)
        return str(json.loads(answer)["id"])

    def _is_full(self) -> bool:
        failed = {task["type"] for task in self._ended("failed")}
        return len(failed) >= GROUPS_WANTED and len(self._ended("completed")) >= COMPLETED_WANTED

    def _ended(self, state: str, *filters: str) -> list[dict[str, Any]]:
        """The newest tasks in a state that are not of the history."""
        found = self.tasks("--state", state, *filters, "--limit", "500")
        return [task for task in found if task["created_by"] != "seed"]


def _steps() -> list[dict[str, Any]]:
    """Work that goes on for as long as pictures are taken, some of it failing."""
    waits = [
        {
            "type": "diagnostic.sleep",
            "input": {"seconds": 20 + 7 * n % 40},
            "title": f"Refresh index, part {n} of {STEPS}",
            "priority": ("low", "medium", "high", "urgent")[n % 4],
            "queue": ("default", "nightly")[n % 2],
        }
        for n in range(1, STEPS + 1)
    ]
    failing = [
        {
            "type": "diagnostic.fail",
            "input": {"message": f"connection to store-{n % 3} was refused", "kind": "transient"},
            "title": f"Copy folder {n} to the store",
            "max_attempts": 2,
            "priority": "high",
        }
        for n in range(1, 13)
    ]
    return [*failing, *waits]


def _warehouse() -> dict[str, Any]:
    """Three sources are cleaned, cut into parts, joined and published; what follows one of them can't start."""
    tasks: dict[str, Any] = {"settings": {"type": "diagnostic.noop"}}
    for source in ("customers", "orders", "stock"):
        fails = {"type": "diagnostic.fail", "input": {"message": "no such column", "kind": "permanent"}}
        sleeps = {"type": "diagnostic.sleep", "input": {"seconds": 2}}
        tasks[f"clean-{source}"] = {**(fails if source == "stock" else sleeps), "after": ["settings"]}
        part = {"type": "diagnostic.sleep", "input": {"seconds": 30}, "after": [f"clean-{source}"]}
        tasks[f"parts-{source}"] = [part] * 20
        tasks[f"join-{source}"] = {"type": "diagnostic.noop", "after": [f"parts-{source}"]}
        tasks[f"alarm-{source}"] = {"type": "diagnostic.noop", "after": [f"join-{source}"], "when": "failed"}
    tasks["merge"] = {"type": "diagnostic.noop", "after": ["join-customers", "join-orders", "settings"]}
    tasks["publish"] = {"type": "diagnostic.noop", "after": ["merge", "join-stock"]}
    tasks["clean-up"] = {"type": "diagnostic.noop", "after": ["merge"], "when": "ended"}
    return tasks


def _later() -> list[dict[str, Any]]:
    """Work that waits: in a paused queue, for a time, for an agent that nobody has."""
    paused = [
        {"type": "diagnostic.noop", "input": {}, "title": f"Report of region {n}", "queue": "reports"} for n in range(8)
    ]
    due = [
        {"type": "diagnostic.noop", "input": {}, "title": "Nightly clean-up", "delay_seconds": 3600 * n}
        for n in range(1, 6)
    ]
    stuck = [{"type": "diagnostic.spin", "input": {"seconds": 1}, "title": "Train the model", "requires": ["gpu"]}]
    return [*paused, *due, *stuck]
