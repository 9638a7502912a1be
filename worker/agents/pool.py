"""Keeps a pool of agent processes running: starts, watches, restarts with backoff, drains."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from taskyard.core.redis.agent_side import AgentSide
from taskyard.core.redis.ports import AgentPort
from taskyard.worker.agents.adopted import AgentProcess
from taskyard.worker.agents.duplicate_names import DuplicateNames
from taskyard.worker.agents.launch import EXIT_REFUSED, EXIT_REPLACE
from taskyard.worker.agents.launching import LaunchedAhead, launch_all
from taskyard.worker.agents.losses import Losses
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.agents.pool_member import Member
from taskyard.worker.agents.pool_sizing import Sizing

if TYPE_CHECKING:
    from taskyard.worker.remote.api_link import RemoteApi

MIN_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 5.0  # so that agents return soon after the cause of failed starts is gone
STEADY_SECONDS = 30.0  # an agent that lived this long starts again without backoff
CRASH_LOOP = 5  # consecutive ends that are logged as a crash loop
SILENT_KILL_SECONDS = 60.0  # an agent process that sends nothing for this long hangs, and is replaced
STALLED_SECONDS = 20.0  # without a round of the pool's own supervision
ALL_UNWELL_SECONDS = 10.0  # that a restart of every agent may take
WATCH_SECONDS = 0.1

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pool:
    """The agents of this host.

    `run` supervises in the thread that calls it, which must live as long as they do.
    """

    specs: Sequence[AgentSpec]  # those of a pool that never changes; with `sizing` none
    redis_url: str
    broker: AgentPort
    grace_seconds: float
    data_dir: Path
    remote: RemoteApi | None = None  # the API that its agents come by, instead of Redis
    variables: Mapping[str, str] = field(default_factory=dict)  # of their environment, besides this process's
    sizing: Sizing | None = None  # which agents there are; None: those of `specs`
    ahead: LaunchedAhead = field(default_factory=LaunchedAhead)  # processes for its first agents
    starts: Counter[str] = field(default_factory=Counter)  # of each agent's name
    is_refused: bool = False  # the API does not accept the token of its agent
    _members: list[Member] = field(default_factory=list)  # replaced, never changed: other threads read it
    _escapes_of_gone: Counter[str] = field(default_factory=Counter)
    _started: set[str] = field(default_factory=set)
    _losses: Losses = field(init=False)
    _has_begun: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _hurry: threading.Event = field(default_factory=threading.Event)
    _round_at: float = field(default_factory=time.monotonic)
    _well_at: float = field(default_factory=time.monotonic)  # when an agent last worked

    def __post_init__(self) -> None:
        self._losses = Losses(self.broker, self.data_dir)

    def run(self) -> None:
        """Keeps every agent of the pool running until `stop`, then drains them. May be restarted after an
        exception.

        The kernel ends an agent when the thread that started it ends (PR_SET_PDEATHSIG), so all are started here.
        """
        if not self._has_begun:
            self._has_begun = True
            self._members = [Member(spec) for spec in self.specs]
            self._losses.begin()
            if self.sizing is not None:
                self.sizing.start()
        namesakes = DuplicateNames(self.broker) if isinstance(self.broker, AgentSide) else None
        while not self._stop.is_set():
            if self.sizing is not None:
                self._members = self.sizing.adjusted(self._members)
            self._prepare()
            for member in self._members:
                self._watch(member)
            self.ahead.drop_rest()  # of agents that are no longer wanted
            self._losses.report()
            if namesakes is not None:
                namesakes.check({member.spec.name: member.agent_id for member in self._members}, self._started)
            self._round_at = time.monotonic()
            self._stop.wait(WATCH_SECONDS)
        self._drain()

    def stop(self) -> None:
        """Makes `run` drain all agents and return."""
        self._stop.set()

    def kill(self) -> None:
        """Kills all agents at once, whatever `run` waits for; a drain under way ends with them."""
        self._hurry.set()
        self._stop.set()
        for member in self._members:
            process = member.process
            if process is not None and process.poll() is None:
                process.kill()

    @property
    def alive(self) -> int:
        """Returns the number of running agent processes."""
        return sum(member.is_alive for member in self._members)

    @property
    def size(self) -> int:
        """Returns the number of agents that should run, whether they do or not."""
        if self.sizing is None:
            return len(self.specs)
        return sum(self.sizing.wanted(kind) for kind in self.sizing.kinds)

    # health

    def unwell(self) -> dict[str, list[str]]:
        """Returns by name why agents do no work; healthy ones are left out."""
        return {member.spec.name: found for member in self._staying if (found := member.problems())}

    def problems(self) -> list[str]:
        """Returns why this host's agents do no work, one line each; empty while one of them does."""
        silent = time.monotonic() - self._round_at
        if silent > STALLED_SECONDS and not self._stop.is_set():
            return [f"pool: no check of its agents for {silent:.0f} s"]
        unwell, staying = self.unwell(), self._staying
        if len(unwell) < len(staying) or not staying:
            self._well_at = time.monotonic()
        if time.monotonic() - self._well_at < ALL_UNWELL_SECONDS:
            return []
        return [f"agent {name}: {'; '.join(found)}" for name, found in unwell.items()]

    def takes_work(self) -> bool:
        """Returns True if an agent of this host could start a task now."""
        reports = [m.health.report for m in self._staying if m.health is not None and not m.problems()]
        return any(report is not None and report.takes_work for report in reports)

    def escapes(self) -> dict[str, int]:
        """Returns the uncaught exceptions of the agents' threads, by name, since the pool began."""
        total: Counter[str] = Counter(self._escapes_of_gone)
        for member in self._members:
            total += member.escapes
            if member.health is not None and member.health.report is not None:
                total += Counter(member.health.report.escapes)
        return dict(total)

    @property
    def _staying(self) -> list[Member]:
        return [member for member in self._members if not member.is_leaving]

    # processes

    def _prepare(self) -> None:
        """Has the processes of agents that start in this round made together, unless they are by now."""
        now = time.monotonic()
        due = [m.spec for m in self._members if m.process is None and not m.is_leaving and now >= m.start_at]
        missing = self.ahead.missing(due)
        if len(missing) > 1:
            self.ahead.prepare(missing, self.redis_url, self.variables, self.remote)

    def _watch(self, member: Member) -> None:
        process, now = member.process, time.monotonic()
        if member.is_leaving:
            self._see_off(member)
            return
        if process is None:
            if now >= member.start_at:
                self._start(member)
            return
        if member.health is not None:
            member.health.hear()
        member.note_online()
        if not member.problems():
            self._well_at = now
        code = process.poll()
        if code is None:
            self._kill_if_silent(member, process)
            return
        lived = now - member.started
        if code == EXIT_REFUSED:  # another start would be refused, too
            self._bury(member, "the API refuses its token")
            self.is_refused = True
            self._stop.set()
            return
        is_steady = lived > STEADY_SECONDS and member.was_online  # a slow start that fails is a failure, too
        member.failures = 0 if is_steady else member.failures + 1
        backoff = min(MAX_BACKOFF_SECONDS, MIN_BACKOFF_SECONDS * 2 ** min(10, max(0, member.failures - 1)))
        if code == EXIT_REPLACE or member.failures <= 1:
            backoff = 0.0
        self._bury(member, f"its process ended with code {code} after {lived:.1f} s")
        member.start_at = now + backoff
        self._losses.add(member)
        log.warning(
            "agent.exited",
            agent=member.agent_id,
            code=code,
            lived_seconds=round(lived, 1),
            restart_seconds=backoff,
            reason=member.last_end,
        )
        self._say_if_looping(member)
        if backoff == 0.0:
            self._start(member)

    def _see_off(self, member: Member) -> None:
        """Lets go of an agent that leaves, once its process has ended."""
        process = member.process
        if process is not None:
            if member.health is not None:
                member.health.hear()
            code, has_begun = process.poll(), member.has_begun
            if code is None:
                self._kill_if_silent(member, process)
                return
            self._bury(member, f"it left with code {code}")
            if (has_begun and code != 0) or self._losses.has_results_of(member):
                self._losses.add(member)
            log.info("agent.left", agent=member.agent_id, code=code)
        self._escapes_of_gone += member.escapes
        self._members = [one for one in self._members if one is not member]

    def _bury(self, member: Member, how: str) -> None:
        member.process, member.last_end = None, how
        health, member.health = member.health, None
        if health is not None:
            health.hear()
            member.last_end = health.failure or how
            if health.report is not None:
                member.escapes.update(health.report.escapes)
            health.close()

    def _say_if_looping(self, member: Member) -> None:
        if member.failures >= CRASH_LOOP:
            log.error("agent.crash_loop", name=member.spec.name, ends=member.failures, last=member.last_end)

    def _kill_if_silent(self, member: Member, process: AgentProcess) -> None:
        health = member.health
        if health is None or health.report is None:
            return  # it may still be importing modules
        if health.silence_seconds > SILENT_KILL_SECONDS:
            log.error("agent.hangs", agent=member.agent_id, silent_seconds=round(health.silence_seconds))
            process.kill()

    def _start(self, member: Member) -> None:
        """Starts its process; if the system refuses it, it is tried again later."""
        try:
            self._spawn(member)
        except (OSError, MemoryError) as error:
            member.failures += 1
            member.last_end = f"no process could be started: {error or type(error).__name__}"
            member.start_at = time.monotonic() + MAX_BACKOFF_SECONDS
            log.error("agent.not_started", name=member.spec.name, reason=member.last_end)
            self._say_if_looping(member)
        else:
            self.starts[member.spec.name] += 1

    def _spawn(self, member: Member) -> None:
        started = self.ahead.take(member.spec)
        if started is None:
            [started] = launch_all([member.spec], self.redis_url, self.variables, self.remote).finish()
        member.process, member.health, member.was_online = started.process, started.health, False
        member.agent_id, member.started = started.agent_id, time.monotonic()
        member.proof = started.begin(self.remote)
        self._started.add(member.agent_id)

    def _drain(self) -> None:
        if self.sizing is not None:
            self.sizing.stop()
        running = [m.process for m in self._members if m.process is not None and m.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self.grace_seconds + 10
        is_hurried = False
        while any(process.poll() is None for process in running):
            if (self._hurry.is_set() or time.monotonic() > deadline) and not is_hurried:
                is_hurried = True
                for process in running:
                    if process.poll() is None:
                        process.kill()
            time.sleep(0.02)
        for member in self._members:
            if member.process is not None and (member.process.returncode != 0 or self._losses.has_results_of(member)):
                self._losses.add(member)
        self._losses.report()
