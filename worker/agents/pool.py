"""Keeps a pool of agent processes running: starts, watches, restarts with backoff, drains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from core.errors import Unavailable
from core.protocol import Gone, encode
from core.queue import Queue
from core.redis_client import reaching_redis
from worker.agents import spool
from worker.agents.main import EXIT_REPLACE, Launch
from worker.agents.namesakes import Namesakes
from worker.agents.pool_config import AgentSpec

LEAST_BACKOFF_SECONDS = 0.1
MOST_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 30.0  # an agent that lived this long starts again without backoff
WATCH_SECONDS = 0.1

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Member:
    """One agent of the pool and the process that is it now."""

    spec: AgentSpec
    process: subprocess.Popen[bytes] | None = None
    agent_id: str = ""
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Pool:
    """The agents of this host. `run` supervises in the thread that calls it, which must live as long as they do."""

    specs: Sequence[AgentSpec]
    redis_url: str
    queue: Queue
    grace_seconds: float
    data_dir: Path
    _members: list[_Member] = field(default_factory=list)
    _lost: list[str] = field(default_factory=list)
    _spooled: list[Path] = field(default_factory=list)
    _started: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _hurry: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Keeps every agent of the pool running until `stop`, then drains them.

        The kernel ends an agent when the thread that started it ends (PR_SET_PDEATHSIG), so all
        are started here.
        """
        self._members = [_Member(spec) for spec in self.specs]
        self._spooled = spool.left_behind(self.data_dir)
        namesakes = Namesakes(self.queue)
        while not self._stop.is_set():
            for member in self._members:
                self._watch(member)
            self._report_lost()
            namesakes.look({member.spec.name: member.agent_id for member in self._members}, self._started)
            self._stop.wait(WATCH_SECONDS)
        self._drain()

    def stop(self) -> None:
        """Makes `run` drain all agents and return."""
        self._stop.set()

    def kill(self) -> None:
        """Makes a drain end at once."""
        self._hurry.set()

    @property
    def alive(self) -> int:
        """How many agent processes are running."""
        return sum(m.process is not None and m.process.poll() is None for m in self._members)

    def _watch(self, member: _Member) -> None:
        process, now = member.process, time.monotonic()
        if process is None:
            if now >= member.start_at:
                self._start(member)
            return
        code = process.poll()
        if code is None:
            return
        lived = now - member.started
        member.failures = 0 if lived > STEADY_SECONDS else member.failures + 1
        backoff = min(MOST_BACKOFF_SECONDS, LEAST_BACKOFF_SECONDS * 2 ** max(0, member.failures - 1))
        if code == EXIT_REPLACE or member.failures <= 1:
            backoff = 0.0
        member.process, member.start_at = None, now + backoff
        self._lost.append(member.agent_id)
        log.warning(
            "agent.exited", agent=member.agent_id, code=code, lived_seconds=round(lived, 1), restart_seconds=backoff
        )
        if backoff == 0.0:
            self._start(member)

    def _start(self, member: _Member) -> None:
        boot_id = uuid.uuid4().hex[:12]
        spec = member.spec
        launch = Launch(
            name=spec.name,
            boot_id=boot_id,
            kind=spec.kind,
            types=list(spec.types),
            tags=list(spec.tags),
            max_concurrency=spec.max_concurrency,
            parent_pid=os.getpid(),
        )
        # the URL may hold a password, and arguments are public: it goes through the environment
        environment = {**os.environ, "TASKYARD_REDIS_URL": self.redis_url}
        argument = msgspec.json.encode(launch).decode()
        command = [sys.executable, "-m", "worker.agents.main", argument]
        member.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        member.agent_id, member.started = f"{spec.name}:{boot_id}", time.monotonic()
        self._started.add(member.agent_id)

    def _report_lost(self) -> None:
        """Hands in what dead boots left in their spools, then tells the leader that they are gone.

        The leader hears of the dead from their silence otherwise.
        """
        try:
            with reaching_redis():
                while self._spooled:
                    self._hand_in(self._spooled[0])
                    del self._spooled[0]
                while self._lost:
                    for path in spool.spooled_by(self.data_dir, self._lost[0]):
                        self._hand_in(path)
                    self.queue.report(encode([Gone(self._lost[0], "lost")]))
                    del self._lost[0]
        except Unavailable:
            return  # asked again in WATCH_SECONDS

    def _hand_in(self, path: Path) -> None:
        results = 0
        try:
            for reports in spool.read(path):
                self.queue.report(encode(reports))
                results += len(reports)
            path.unlink()
        except OSError as error:  # its agent lives after all and was quicker, or the disk refuses
            log.warning("spool.refused", path=str(path), reason=str(error))
        else:
            log.info("spool.handed_in", path=str(path), results=results)

    def _drain(self) -> None:
        running = [m.process for m in self._members if m.process is not None and m.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self.grace_seconds + 10
        told_twice = False
        while any(process.poll() is None for process in running):
            if (self._hurry.is_set() or time.monotonic() > deadline) and not told_twice:
                told_twice = True
                for process in running:
                    if process.poll() is None:
                        process.kill()
            time.sleep(0.02)
        for member in self._members:
            left_results = bool(spool.spooled_by(self.data_dir, member.agent_id))
            if member.process is not None and (member.process.returncode != 0 or left_results):
                self._lost.append(member.agent_id)
        self._report_lost()
