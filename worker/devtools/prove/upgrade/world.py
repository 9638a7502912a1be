"""Extends the world by the last release: each part runs one release or the other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress

import psutil

from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.migrations import migrate
from taskyard.worker.devtools.prove.served_world import ServedWorld
from taskyard.worker.devtools.prove.upgrade import plan
from taskyard.worker.devtools.prove.upgrade.pages import NEW, OLD, PageReaders
from taskyard.worker.devtools.prove.upgrade.release import Release
from taskyard.worker.devtools.prove.world import AGENTS, OWN, PATIENCE_SECONDS

MIGRATION_SECONDS = 120


class RollingWorld(ServedWorld):
    """A ServedWorld that begins with the last release, of which `upgrade` replaces one part after the other."""

    def __init__(self, settings: Settings, release: Release) -> None:
        super().__init__(settings)
        self.release = release
        self._is_old = {"run": True, "agent": True, "api": True}  # what the next process of a command runs
        self.pages = PageReaders(self.folder)

    def start(self) -> None:
        """Starts everything, and has the last release's pages drawn; raises Unavailable."""
        super().start()
        self.pages.reach(self.endpoints)
        self.pages.start(OLD, self.release.variables(), self.journal)

    def stop(self) -> list[str]:
        """Stops everything as an operator would; returns what still runs of workers and agents afterwards."""
        self.pages.stop()
        return super().stop()

    def variables(self, command: str) -> dict[str, str]:
        """Returns variables for the release that a process of this command runs next."""
        return {**super().variables(command), **(self.release.variables() if self._is_old[command] else {})}

    def make_schema(self) -> None:
        """Makes the tables of the last release, by its own command."""
        variables = {**os.environ, "TASKYARD_DATABASE_URL": self.database_url, "TASKYARD_DATA_DIR": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "taskyard", "migrate"],
            env={**variables, **self.release.variables()},
            capture_output=True,
            text=True,
            timeout=MIGRATION_SECONDS,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"the last release could not migrate: {done.stderr.strip()[-500:]}")

    def take(self, step: str) -> None:
        """Takes a step of the plan; raises Unavailable if what it starts does not come."""
        part, is_back = step.removeprefix(plan.BACK), step.startswith(plan.BACK)
        if part == plan.MIGRATE:
            migrate(self.database_url)
            self._is_old["run"] = self._is_old["api"] = False  # now installed everywhere: what starts is new
            self.pages.migrated_at = time.monotonic()
            self.pages.start(NEW, {}, self.journal)
        elif part in plan.WORKERS:
            self._restart_worker()
        elif part == plan.API:
            self.api.stop()
        else:
            self._restart_agents(plan.AGENTS.index(part), is_old=is_back)
        self.tend()

    def releases(self) -> dict[str, int]:
        """Returns how many processes of the last release and of this one run."""
        counts = {"old": 0, "new": 0}
        for process in [*self.processes()["workers"], *self.processes()["agents"]]:
            with suppress(psutil.Error):
                is_old = process.environ().get("PYTHONPATH") == str(self.release.folder)
                counts["old" if is_old else "new"] += 1
        return counts

    def _restart_worker(self) -> None:
        """Restarts one of those that run the last release, if any still does."""
        old = [one for one in self._workers if _variable(one.pid, "PYTHONPATH") == str(self.release.folder)]
        for worker in old[:1]:
            _end(worker)

    def _restart_agents(self, number: int, *, is_old: bool) -> None:
        _end(self._supervisors[number])
        self._is_old["agent"] = is_old
        count, kind, more = (AGENTS - 1, "prove", {}) if number == 0 else (1, OWN, self.own_variables)
        self._supervisors[number] = self.start_process("agent", count, kind, **more)
        self.wait(lambda: len(self._agents()) == AGENTS, f"the {plan.AGENTS[number]} of the other release")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stops a process as an operator would."""
    process.terminate()
    try:
        process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _variable(pid: int, name: str) -> str:
    with suppress(psutil.Error):
        return str(psutil.Process(pid).environ().get(name, ""))
    return ""
