"""Defines every Redis key."""

from __future__ import annotations


class Keys:
    """Builds the keys of one installation: all start with `taskyard:{namespace}:`."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.prefix = f"taskyard:{namespace}:"
        self.lanes = f"{self.prefix}lanes"  # every lane that has tasks
        self.due = f"{self.prefix}due"  # tasks with a start time, ordered by that time
        self.results = f"{self.prefix}results"  # reports to the leader, its only reader; deleted after the commit
        self.wake = f"{self.prefix}wake"  # wake-ups from submitters, capped
        self.agents = f"{self.prefix}agents"  # boots that send heartbeats
        self.canary = f"{self.prefix}canary"  # kept by the leader like a heartbeat: which database it leads, with a TTL
        self.reporters = f"{self.prefix}reporters"  # names of agents with credentials, and so results, of their own
        self.nothing = f"{self.prefix}nothing"  # never exists: scripts delete it first
        self.epoch = f"{self.prefix}epoch"  # the leader's term
        self.generation = f"{self.prefix}generation"  # gone after a wipe
        self.log = f"{self.prefix}log"  # the last log lines of all processes, capped, with a TTL

        self.pools = f"{self.prefix}pools"  # processes that keep agents running
        self.pool_sizes = f"{self.prefix}pool_sizes"  # the leader's copy of how many agents of each kind are wanted

        self.predictions = f"{self.prefix}predictions"  # of run times, by what they are made from
        self.learning = f"{self.prefix}learning"  # what submitters need of each queue to give head starts, with a TTL

        self.awaited = f"{self.prefix}awaited"  # tasks for whose ends somebody waits, with a TTL

        self.quarantine = f"{self.prefix}quarantine"  # what could not be processed, capped

    def ready(self, lane: object) -> str:
        """Returns the key of a lane's pending tasks, ordered by score."""
        return f"{self.prefix}ready:{lane}"

    def pool(self, name: str) -> str:
        """Returns the key of what a pool last said of itself, which has a TTL."""
        return f"{self.prefix}pool:{name}"

    def ended(self, task_id: str) -> str:
        """Returns the stream, with a TTL, by which the leader tells that an awaited task has ended."""
        return f"{self.prefix}ended:{task_id}"

    def inbox(self, agent_id: str) -> str:
        """Returns the stream of orders to one boot of an agent."""
        return f"{self.prefix}inbox:{agent_id}"

    def heartbeat(self, agent_id: str) -> str:
        """Returns the key of a boot's last heartbeat, which has a TTL."""
        return f"{self.prefix}agent:{agent_id}"

    def fenced(self, agent_id: str) -> str:
        """Returns the key that exists if this boot must stop."""
        return f"{self.prefix}fenced:{agent_id}"

    def own_results(self, agent: str) -> str:
        """Returns the stream of reports of an agent that has credentials of its own: nobody else can write there."""
        return f"{self.results}:{agent}"

    def own_boots(self, agent: str) -> str:
        """Returns the key with the boots of such an agent that send heartbeats."""
        return f"{self.prefix}boots:{agent}"

    def own_generation(self, agent: str) -> str:
        """Returns the key from which such an agent reads the generation, since it may write what it may read."""
        return f"{self.generation}:{agent}"

    def agent_user(self, agent: str) -> str:
        """Returns the name of such an agent's user."""
        return f"{self.prefix}{agent}"

    def cache(self, name: str) -> str:
        """Returns the key of a cached snapshot."""
        return f"{self.prefix}cache:{name}"

    def session(self, session_id: str) -> str:
        """Returns the key of one user's session."""
        return f"{self.prefix}session:{session_id}"

    def messages(self, agent: str) -> str:
        """Returns the stream of messages for an agent."""
        return f"{self.prefix}messages:{agent}"

    @property
    def mailboxes(self) -> str:
        """Returns the key with the names of agents that may have messages or dead letters."""
        return f"{self.prefix}mailboxes"

    def dead_letters(self, agent: str) -> str:
        """Returns the stream of an agent's dead letters: delivered too often and never acknowledged."""
        return f"{self.prefix}dead:{agent}"
