"""The rules of the protocol, each of which can be switched off, and the situations in which it is explored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

RULES = {
    "P1": "a frozen leader loses its lock",
    "P2": "an attempt number only grows",
    "P3": "only a pending row is claimed",
    "P4": "only the current attempt of an open row is settled",
    "P4 holder": "… and by the word of the boot that holds its claim",
    "P4 sender": "… which, in an agent's own results, is one of this agent",
    "P4 kept": "… and a report whose row somebody else holds is kept",
    "P5": "results are deleted after the commit that used them",
    "P7": "a publication checks the epoch",
    "P8": "rows that wait are swept into the queue again",
    "P9": "a claim that its agent does not hold goes back",
    "P9 drained": "… only after the results of that moment were read",
    "P9 own": "… also those of its agent, if they are its own",
    "P10": "the claim of a silent boot goes back",
    "P10 canary": "… only if everybody who lives was heard since",
    "P10 drained": "… only after its results were read",
    "P10 proof": "… or of a boot that is gone by its own word, or its supervisor's",
    "P10 charged": "… and a started attempt is paid for",
    "P11": "an attempt that no row matches is cancelled on its agent",
    "P12 announced": "a start is acknowledged before anything runs",
    "P12 seen": "an order that comes twice is obeyed once",
    "P12 lease": "an agent that was not heard for a TTL starts nothing",
    "P13": "operators change only a row that is in the state they saw",
    "P14": "after an unknown commit nothing is published",
    "P15": "only the leader's tick recovers",
    "P16": "a boot gets no type again that it handed back as one it can't run",
    "P18": "a task that suspends goes on at once if what it waits for is there",
    "P18 current": "… and only its current attempt suspends it",
    "P18 due": "… and one with a time is queued again like all that wait",
    "P18 free": "… and it costs no attempt",
    "P19 once": "a signal that comes twice counts once",
    "P19 timeout": "a time that runs out is recorded as a signal is",
    "P21": "a report of a newer version is kept for a leader that understands it",
    "P21 withheld": "… and until then its attempt is not given up",
    "P22 beside": "a second attempt begins only beside a started one that has none",
    "P22 number": "… under a number that no claim gets",
    "P22 first": "… and ends its task only if that is open and has it",
    "P22 current": "… and no longer counts once the attempt beside it is not the current one",
}


@dataclass(frozen=True)
class Setting:
    """What is explored: the rules in force, the faults that may happen, and what kind of task it is.

    `task` is "short" (ends by itself), "endless" (ends only when it is cancelled), "poison" (kills its agent, and
    may be tried `max_attempts` times), "unknown" (short, of a type that agent A can't run), "hindered" (short, and
    its first attempt may be handed back after its start), or one that suspends until it finds what it waits for: a
    time ("snooze"), a signal ("signal"), or either ("timeout"). The signal is sent `signals` times. `operator` is what
    an operator does, at any time: "", "cancel" or "cancel retry". With `own` each agent has results of its own, which
    may be read apart. With `newer` the agents report ends in a way that no worker understands before its upgrade. With
    `hedged` a second attempt may run beside the first one.
    """

    faults: tuple[str, ...] = ()
    fault_limit: int = 0
    task: str = "short"
    operator: str = ""
    max_attempts: int = 0
    own: bool = False
    signals: int = 0
    newer: bool = False
    hedged: bool = False
    off: frozenset[str] = field(default_factory=frozenset)

    def has(self, rule: str) -> bool:
        """Whether a rule is in force."""
        return rule not in self.off

    def without(self, rule: str) -> Setting:
        """The same with one rule switched off."""
        if rule not in RULES:
            raise ValueError(f"rule: {rule!r} is none of {', '.join(RULES)}")
        return replace(self, off=self.off | {rule})

    @property
    def suspends(self) -> bool:
        """Whether the task suspends."""
        return self.task in ("snooze", "signal", "timeout")

    @property
    def has_time(self) -> bool:
        """Whether a suspended task goes on after a time."""
        return self.task in ("snooze", "timeout")

    @property
    def first_credit(self) -> int:
        """How many executions may begin before anything fails."""
        return self.max_attempts or 1
