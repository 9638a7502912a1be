"""Defines one tick's transaction: what is to be committed, and its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from taskyard.core.access.agent_user import AgentUser
from taskyard.core.models import Lane, Waiting
from taskyard.core.new_task import Submission
from taskyard.core.postgres.store.dependants import NONE, Ended, Freed
from taskyard.core.postgres.store.hedges import Dropped, Promoted, Takeover
from taskyard.core.postgres.store.kept_reports import Kept, NewReport
from taskyard.core.postgres.store.suspension import Suspension
from taskyard.core.postgres.store.tick import Claimed, Completion, PlainTick, Settlement, Stale
from taskyard.core.protocol import AgentInfo, Checkpoint, Order, Pair
from taskyard.core.redis.namespace import Member
from taskyard.core.redis.quarantine import Odd
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.scheduling.hedging import Chosen
from taskyard.core.scheduling.holds import Holds
from taskyard.core.scheduling.placement import Candidate
from taskyard.core.submission.schedule_firing import Fired
from taskyard.worker.dispatch.claim import Claim
from taskyard.worker.dispatch.due_schedules import Firing
from taskyard.worker.dispatch.input_checks import InputChecks
from taskyard.worker.dispatch.outcomes import Failed, Successes

# Parts of a batch that can be left for later (see worker.dispatch.postponed). Not progress: only the newest counts.
LISTS = (
    "completions",
    "settlements",
    "suspensions",
    "started",
    "checkpoints",
    "children",
    "outcomes_asked",
    "stale",
    "logs",
    "arrivals",
    "endings",
    "claims",
    "kept",
    "kept_done",
    "dropped_hedges",
    "takeovers",
)


@dataclass(slots=True)
class Child:
    """A task that a running task submits, with the requester that waits for the answer."""

    agent_id: str
    request_id: str
    submission: Submission
    parent: Pair


@dataclass(slots=True)
class OutcomesAsked:
    """What a running task asks: how its children ended; `wanted` are some of them, None: all."""

    agent_id: str
    request_id: str
    pair: Pair
    wanted: list[str] | None
    after: str


@dataclass(slots=True)
class Arrival:
    """A boot that registered, or declared its types: what it knows (None: not declared) and newly deploys."""

    info: AgentInfo
    known_types: list[dict[str, Any]] | None = None  # fields of core.protocol.KnownType
    deployed: dict[str, list[str]] = field(default_factory=dict)  # [version before, now] by type

    @property
    def id(self) -> str:
        return self.info.id


@dataclass(slots=True)
class Sweep:
    """A slice of the unfinished rows to be compared with Redis."""

    after: str
    limit: int


@dataclass(slots=True)
class Batch:
    """Holds everything that one tick decided."""

    consumed: list[bytes] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    suspensions: list[Suspension] = field(default_factory=list)
    started: list[tuple[str, int, float]] = field(default_factory=list)
    stale: list[Stale] = field(default_factory=list)
    reporters: dict[str, str] = field(default_factory=dict)  # task id → agent that reported its end
    progress: dict[str, tuple[str, int, float, str]] = field(default_factory=dict)
    logs: list[tuple[str | None, str, int | None, str, str, str]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    children: list[Child] = field(default_factory=list)
    outcomes_asked: list[OutcomesAsked] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    _arrived: dict[str, Arrival] = field(default_factory=dict)  # these, by id
    endings: list[tuple[str, str]] = field(default_factory=list)
    kept: list[NewReport] = field(default_factory=list)  # reports of newer agents
    kept_done: list[int] = field(default_factory=list)  # kept reports that were applied
    kept_wanted: list[int] = field(default_factory=list)  # kept reports whose texts are to be read
    fenced: list[str] = field(default_factory=list)
    orders: dict[str, list[Order]] = field(default_factory=dict)
    claims: list[tuple[Candidate, AgentSlots]] = field(default_factory=list)
    offers: list[tuple[Candidate, AgentSlots]] = field(default_factory=list)  # room for tasks that it may free
    hedges: list[Chosen] = field(default_factory=list)  # second attempts to begin
    dropped_hedges: list[Dropped] = field(default_factory=list)
    takeovers: list[Takeover] = field(default_factory=list)  # attempts that ended beside second ones
    has_unclaimable: bool = False  # whether a claim among them was refused before
    failed: list[Failed] = field(default_factory=list)
    successes: Successes = field(default_factory=dict)
    began: float = 0.0  # monotonic seconds: when its inputs had been collected
    sweep: Sweep | None = None
    members: list[Member] = field(default_factory=list)  # of Redis, to be compared with their rows (with a sweep)
    held: list[Pair] = field(default_factory=list)  # pairs to be compared with their rows
    ping: bool = False
    odd: list[Odd] = field(default_factory=list)  # quarantined items
    ended: Ended = NONE  # parents whose children earlier ticks left
    may_free: bool = True  # whether tasks waited for others when last looked
    firing: Firing | None = None  # what fires the schedules that are due, if one may be
    parents_after: str | None = None  # where the search for such parents continues
    input_checks: InputChecks | None = None  # of inputs that are made of outputs
    workflows_after: str | None = None  # where the search for workflows that are over continues
    looks_for_inputs: bool = False  # whether some may be due, whatever this tick settles
    sources: dict[str, bytes] = field(default_factory=dict)  # whose end, start or request → its entry of the results
    retried: list[tuple[str, str]] = field(default_factory=list)  # what is here again (see worker.dispatch.postponed)
    _written: PlainTick | None = None

    def order(self, agent_id: str, order: Order) -> None:
        self.orders.setdefault(agent_id, []).append(order)

    def has_statements(self) -> bool:
        """Returns True if there is anything for PostgreSQL."""
        return bool(self.completions or self.claims or self.has_other_statements())

    def has_other_statements(self) -> bool:
        """Returns True if there is more for PostgreSQL than successes and claims."""
        return bool(
            self.settlements
            or self.suspensions
            or self.started
            or self.stale
            or self.progress
            or self.logs
            or self.checkpoints
            or self.children
            or self.outcomes_asked
            or self.arrivals
            or self.endings
            or self.sweep
            or self.held
            or self.ping
            or self.ended
            or self.parents_after
            or self.looks_for_inputs
            or self.workflows_after
            or self.firing
            or self.kept
            or self.kept_done
            or self.kept_wanted
            or self.hedges
            or self.dropped_hedges
            or self.takeovers
        )

    def written(self) -> PlainTick:
        """Returns the parameters for its successes and claims; writes them the first time, which takes a while."""
        if self._written is None:
            claimed = [one.id for one, _ in self.claims], [agent.id for _, agent in self.claims]
            self._written = PlainTick.of(self.completions, *claimed)
        return self._written

    def size(self) -> int:
        """Returns the approximate number of tasks it changes."""
        return len(self.completions) + len(self.claims) + len(self.settlements) + len(self.suspensions)

    def ends(self) -> int:
        """Returns how many tasks it ends, more or less."""
        return len(self.completions) + len(self.settlements) + len(self.ended.completed) + len(self.ended.failed)

    def arrival(self, info: AgentInfo) -> Arrival:
        """Returns what is to be recorded of a boot in this tick."""
        if len(self._arrived) != len(self.arrivals):
            self._arrived = {one.id: one for one in self.arrivals}
        known = self._arrived.get(info.id)
        if known is None:
            known = self._arrived[info.id] = Arrival(info)
            self.arrivals.append(known)
        return known

    def add(self, other: Batch) -> None:
        """Adds the lists of another batch."""
        for name in LISTS:
            getattr(self, name).extend(getattr(other, name))

    def is_empty(self) -> bool:
        return not (self.consumed or self.orders or self.fenced or self.odd or self.has_statements())


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A committed claim that can't be sent to its agent; the next tick settles it.

    `goes_back`: the task is fine, only its place in the queue was wrong.
    """

    claim: Claim
    reason: str
    goes_back: bool = False


@dataclass(slots=True)
class Committed:
    """Holds what the transaction returned."""

    claimed: Sequence[Claimed] = ()
    hedged: list[Claimed] = field(default_factory=list)  # second attempts that it began
    promoted: list[Promoted] = field(default_factory=list)  # and those that ended first
    completed: set[str] | None = None  # the successes that a plain tick recorded; None: it was none
    freed: Sequence[Freed] = ()  # tasks that were claimed as they were freed
    freed_lanes: Counter[Lane] | None = None  # of all tasks that it freed; None: it had nothing to free
    may_free: bool | None = None  # whether tasks wait for others; None: it did not look
    unclaimable: list[str] = field(default_factory=list)  # tasks whose claim was refused, or took too long
    waiting: list[Waiting] = field(default_factory=list)
    replies: list[tuple[str, Order]] = field(default_factory=list)
    orphans: list[Pair] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)  # ids of new boots of agents
    lost: list[str] = field(default_factory=list)
    sweep_next: str | None = None
    compared: dict[str, Waiting | None] = field(default_factory=dict)  # tasks of `members`; None: it does not wait
    database_time: float | None = None
    holds: Holds | None = None
    agent_users: list[AgentUser] | None = None
    kept: list[Kept] | None = None
    kept_bodies: dict[int, bytes] | None = None
    next_fire: float | None = None  # when the next schedule is due, in epoch seconds; infinite: none is
    fired: Fired | None = None
    odd: list[Odd] = field(default_factory=list)  # what PostgreSQL refused
    unpublished: list[Unpublished] = field(default_factory=list)
    seconds: float = 0.0
    ended: Ended = NONE  # parents whose children are not all settled
    cancelled: int = 0  # tasks that waited for one that will never be completed
    found_ended: Ended = NONE  # parents that the sweep found
    parents_next: str | None = None
    workflows_next: str | None = None
    may_lack_inputs: bool = False  # whether inputs may have become due
    has_more_inputs: bool = False
    left: Batch = field(default_factory=Batch)  # items that were not done because their rows or tables are locked
    left_parts: set[str] = field(default_factory=set)  # parts of the transaction that were not done at all

    def add(self, other: Committed) -> None:
        """Adds the results of another part of the transaction."""
        for name in ("unclaimable", "waiting", "replies", "orphans", "joined", "lost", "hedged", "promoted"):
            getattr(self, name).extend(getattr(other, name))
        for name in (
            "claimed",
            "freed",
            "sweep_next",
            "database_time",
            "holds",
            "parents_next",
            "workflows_next",
            "compared",
            "fired",
        ):
            if getattr(other, name):
                setattr(self, name, getattr(other, name))
        for name in ("agent_users", "next_fire", "kept", "kept_bodies", "freed_lanes", "may_free"):
            if getattr(other, name) is not None:
                setattr(self, name, getattr(other, name))
        self.ended += other.ended
        self.found_ended += other.found_ended
        self.cancelled += other.cancelled
        self.may_lack_inputs |= other.may_lack_inputs
        self.has_more_inputs |= other.has_more_inputs
        self.left_parts |= other.left_parts
        self.left.add(other.left)


def lanes_of(batch: Batch) -> dict[Lane, list[str]]:
    """Returns by lane the ids that a batch tried to claim: claimed or not, they leave the ready queue."""
    lanes: dict[Lane, list[str]] = {}
    for candidate, _ in batch.claims:
        lanes.setdefault(candidate.lane, []).append(candidate.id)
    return lanes
