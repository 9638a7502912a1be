"""What the model knows of the world: one task, PostgreSQL, Redis, two workers, two agents.

Everything is an immutable tuple, so that states can be compared and remembered.
"""

from __future__ import annotations

from typing import NamedTuple

PENDING, ASSIGNED, IN_PROGRESS, SUSPENDED = "pending", "assigned", "in_progress", "suspended"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
TERMINAL = (COMPLETED, FAILED, CANCELLED)
CLAIMED = (ASSIGNED, IN_PROGRESS)

STANDBY, LEADING, DECIDED, COMMITTED = "standby", "leading", "decided", "committed"
NOBODY = -1

Boot = tuple[int, int]  # which agent, which of its boots
ALL_AGENTS = -1


class Message(NamedTuple):
    """A report. `boot` is the one that is gone, or hands back; `sender` the agent in whose own results it is."""

    kind: str
    attempt: int
    boot: Boot | None = None
    sender: int = ALL_AGENTS  # in the results that all agents share


class Row(NamedTuple):
    """The task in PostgreSQL."""

    state: str = PENDING
    attempt: int = 0
    charged: int = 0  # attempts that were paid for
    boot: Boot | None = None
    answer: bool = False  # a signal, or a time that ran out: the next attempt finds what it waited for
    hedge: tuple[int, Boot] | None = None  # a second attempt beside the current one, and its boot
    hedged: int = 0  # the number of the last one


class Batch(NamedTuple):
    """One tick: what it decided, and after its commit what is to be published."""

    reports: tuple[Message, ...] = ()  # results that it read
    given_up: tuple[int, Boot, str] | None = None  # attempt, its boot, why
    claim_for: Boot | None = None
    orphans: tuple[tuple[int, int], ...] = ()  # agent, attempt
    claimed: int = 0  # the attempt that the claim returned
    sweeps: bool = False
    is_waiting: bool = False  # the row waits in Redis after the commit, or is due there
    is_passed_over: bool = False  # somebody else held the row that a report is about
    kept: tuple[Message, ...] = ()  # reports that PostgreSQL had kept, and it reads
    hedge_for: Boot | None = None
    drops_hedge: bool = False  # the second attempt is lost, as it seems
    hedged: int = 0  # the attempt that the hedge got


class Worker(NamedTuple):
    """A worker process."""

    mode: str = STANDBY
    epoch: int = 0
    is_frozen: bool = False
    batch: Batch | None = None
    barred: frozenset[Boot] = frozenset()  # what it remembers of boots that can't run the task
    is_old: bool = False  # does not understand how agents report the end of an attempt


class Beat(NamedTuple):
    """A heartbeat, as Redis has it."""

    knows_generation: bool
    has_read: bool  # everything that its inbox had when it was written, and still
    held: tuple[int, ...]


class Agent(NamedTuple):
    """An agent process and the keys of its present boot in Redis.

    `waiting` and `running` are attempts; `seen` is the last one that it took; `is_heard` says
    whether a heartbeat was answered within the last TTL.
    """

    boot: int = 0
    is_frozen: bool = False
    is_heard: bool = True
    knows_generation: bool = True
    seen: int = 0
    waiting: tuple[int, ...] = ()
    running: tuple[int, ...] = ()
    inbox: tuple[tuple[str, int], ...] = ()
    beat: Beat | None = Beat(True, True, ())
    is_fenced: bool = False

    @property
    def held(self) -> tuple[int, ...]:
        return tuple(sorted(self.waiting + self.running))


class State(NamedTuple):
    """The world.

    `credit` is how many executions may still begin: one, and one more for each that a death cut off, whose result died
    with Redis, or that suspended. `refused` are the boots that handed the task back as one that they can't run, each
    with the epoch of that time. `answered` are attempts that were claimed with what the task had waited for; `sender`
    is how often somebody will still send the signal, each time by the same id. `kept` are reports that PostgreSQL keeps
    for a leader that understands them. `wrong` names the promise that was broken.
    """

    row: Row = Row()
    lock: int = NOBODY  # which worker has it
    epoch: int = 0  # PostgreSQL's
    is_held: bool = False  # the row, by a transaction of somebody else
    ready: bool = False
    results: tuple[Message, ...] = ()
    redis_epoch: int = 0
    has_generation: bool = True
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    agents: tuple[Agent, Agent] = (Agent(), Agent())
    submitter: bool = True  # has committed and will push; so will who sends a signal that wakes the task
    sender: int = 0
    operator: str = ""  # what an operator will still do
    credit: int = 1
    executed: frozenset[int] = frozenset()
    answered: frozenset[int] = frozenset()
    kept: tuple[Message, ...] = ()
    refused: frozenset[tuple[Boot, int]] = frozenset()
    wrong: str = ""

    def with_worker(self, index: int, worker: Worker) -> State:
        pair = (worker, self.workers[1]) if index == 0 else (self.workers[0], worker)
        return self._replace(workers=pair)

    def with_agent(self, index: int, agent: Agent) -> State:
        pair = (agent, self.agents[1]) if index == 0 else (self.agents[0], agent)
        return self._replace(agents=pair)
