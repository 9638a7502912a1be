"""Makes a pool as large as it is wanted, and tells the leader what it keeps running."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from taskyard.core.errors import Unavailable
from taskyard.core.redis.pools import MAX_TOLD, KindReport, PoolReport, Pools
from taskyard.core.scheduling.pool_sizes import size_change
from taskyard.core.threads import OnEscape, Supervised, start_thread
from taskyard.worker.agents.pool_config import AgentKind
from taskyard.worker.agents.pool_member import Member

EXCHANGE_SECONDS = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Sizing:
    """The kinds of a pool, and how many agents of each are wanted.

    `sizes` are the wanted numbers by kind, which win over those of the pool file; None: not known yet. With a
    `suffix` the pool goes by its file alone, since whoever started this process says how many of it there are.
    """

    kinds: Sequence[AgentKind]
    pools: Pools
    suffix: str = ""
    is_told: bool = True  # by the leader; else this process sets `sizes` itself
    sizes: Mapping[str, int] | None = None
    _host: str = field(default_factory=socket.gethostname)
    _number: str = field(default_factory=lambda: uuid.uuid4().hex[:12])  # containers may share both name and pid
    _members: Sequence[Member] = ()
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: Supervised | None = None

    def wanted(self, kind: AgentKind) -> int:
        """Returns how many agents of a kind should run."""
        chosen = None if self.suffix or self.sizes is None else self.sizes.get(kind.kind)
        return kind.count if chosen is None else min(chosen, kind.most)

    def adjusted(self, members: Sequence[Member]) -> list[Member]:
        """Returns the members with those that are missing; tells those that are too many to leave."""
        found = list(members)
        for kind in self.kinds:
            own = [member for member in members if member.spec.kind == kind.kind]
            staying = {member.number: member for member in own if not member.is_leaving}
            leaving = [member.number for member in own if member.is_leaving]
            change = size_change(staying, leaving, self.wanted(kind))
            found += [Member(kind.agent(number, self.suffix), number) for number in change.start]
            for number in change.leave:
                log.info("agent.leaves", name=staying[number].spec.name, wanted=self.wanted(kind))
                staying[number].leave()
        self._members = found
        return found

    # the exchange with the leader

    def start(self) -> None:
        """Tells the leader of this pool, learns the wanted sizes, and goes on with that in a thread of its own."""
        self._exchange()  # before the first agent starts
        self._thread = start_thread("pool sizes", self._run, OnEscape.GO_ON, is_over=self._stopping.is_set)

    def stop(self) -> None:
        """Stops that."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(EXCHANGE_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(EXCHANGE_SECONDS):
            self._exchange()
        try:
            self.pools.leave(self._report().name)
        except Unavailable as error:
            log.debug("pool.not_taken_back", reason=str(error))  # it expires

    def _exchange(self) -> None:
        try:
            sizes = self.pools.exchange(self._report())
        except Unavailable as error:
            log.debug("pool.unheard", reason=str(error))  # it stays as large as it is
            return
        if self.is_told and sizes is not None:
            self.sizes = sizes

    def _report(self) -> PoolReport:
        kinds = [self._kind_report(kind) for kind in self.kinds]
        return PoolReport(f"{self._host}:{self._number}", self._host, kinds)

    def _kind_report(self, kind: AgentKind) -> KindReport:
        own = [member for member in self._members if member.spec.kind == kind.kind]
        staying = [member for member in own if not member.is_leaving]
        absent = sorted(filter(None, (member.absence() for member in staying)), key=lambda one: -one.failures)
        failing = sum(one.failures > 0 for one in absent)
        return KindReport(
            kind=kind.kind,
            types=list(kind.types),
            tags=list(kind.tags),
            slots=kind.max_concurrency,
            configured=kind.count,
            wanted=self.wanted(kind),
            running=len(staying) - len(absent),
            leaving=sum(member.is_alive for member in own if member.is_leaving),
            is_fixed=bool(self.suffix),
            starting=len(absent) - failing,
            failing=failing,
            absent=absent[:MAX_TOLD],
            most=kind.most,
        )
