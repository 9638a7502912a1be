"""What is explored, and with which result: the table of rules and traces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.model import faults, seats, transactions
from tests.model.rules import RULES, Setting
from tests.model.search import Finding, explore

SHORT = Setting(faults=faults.ALL, fault_limit=2)
ENDLESS_CANCELLED = Setting(faults=faults.ALL, fault_limit=1, task="endless", operator="cancel")
CANCELLED_RETRIED = Setting(operator="cancel retry")
POISON = Setting(faults=faults.ALL, fault_limit=1, task="poison", max_attempts=2)
# Without frozen agents: the one that can run the task may stay so for ever.
UNKNOWN = Setting(faults=tuple(fault for fault in faults.ALL if fault != "agent freeze"), fault_limit=1, task="unknown")
FORGED = Setting(faults=faults.FORGED, fault_limit=2)
OWN = Setting(
    faults=("worker crash", "unknown commit", "agent crash", "agent exit", "wipe", "report twice", "forged name"),
    fault_limit=1,
    own=True,
)
HINDERED = Setting(
    faults=("worker crash", "unknown commit", "agent crash", "report twice", "order twice"),
    fault_limit=1,
    task="hindered",
)
# Around what is committed and told; what agents do when they freeze or die is the same as of other tasks.
AROUND = ("worker crash", "unknown commit", "wipe", "report twice", "row lock")
SNOOZED = Setting(faults=faults.ALL, fault_limit=1, task="snooze")
SIGNALLED = Setting(faults=faults.ALL, fault_limit=1, task="signal", signals=2)
TIMED_OUT = Setting(faults=faults.ALL, fault_limit=1, task="timeout", signals=1)
SIGNALLED_CANCELLED = Setting(
    faults=("worker crash", "unknown commit", "agent crash", "wipe", "report twice", "row lock"),
    fault_limit=1,
    task="signal",
    signals=1,
    operator="cancel",
)
NEWER = Setting(
    faults=("worker crash", "unknown commit", "agent crash", "agent exit", "wipe", "report twice", "row lock"),
    fault_limit=1,
    newer=True,
)
HEDGED = Setting(
    faults=("worker crash", "unknown commit", "agent crash", "wipe", "report twice", "order twice"),
    fault_limit=1,
    hedged=True,
)
HEDGED_CANCELLED = Setting(hedged=True, operator="cancel")
HEDGED_RETRIED = replace(HEDGED_CANCELLED, operator="cancel retry")
SETTINGS = {
    "a short task, every pair of faults": SHORT,
    "an endless task that is cancelled, every fault": ENDLESS_CANCELLED,
    "a task that is cancelled and retried": CANCELLED_RETRIED,
    "a task that kills its agents, every fault": POISON,
    "a task of a type that one agent can't run, every fault": UNKNOWN,
    "a short task, whose reports others forge": FORGED,
    "a short task of agents with results of their own": OWN,
    "a task that another one keeps from going on, the faults around its return": HINDERED,
    "a task that suspends for a time, every fault": SNOOZED,
    "a task that waits for a signal, which comes twice, every fault": SIGNALLED,
    "a task that waits for a signal, or for a time to run out, every fault": TIMED_OUT,
    "a task that waits for a signal, and is cancelled": SIGNALLED_CANCELLED,
    "a short task of agents that are newer than the workers, which are upgraded": NEWER,
    "a short task that may be hedged": HEDGED,
    "a short task that may be hedged, and is cancelled": HEDGED_CANCELLED,
}
FULL_SETTINGS = {
    **SETTINGS,
    "a short task of agents with results of their own, every pair of faults": replace(
        OWN, faults=(*faults.ALL, "forged name"), fault_limit=2
    ),
    "a task that another one keeps from going on, every fault": replace(HINDERED, faults=faults.ALL),
    "a task that suspends for a time, every pair of faults": replace(SNOOZED, fault_limit=2),
    "a task that waits for a signal, every pair of faults around it": replace(SIGNALLED, faults=AROUND, fault_limit=2),
    "a task that waits for a signal or a time, every pair of faults around it": replace(
        TIMED_OUT, faults=AROUND, fault_limit=2
    ),
    "a short task that may be hedged, is cancelled and retried": HEDGED_RETRIED,
    "a task that is cancelled and retried, every fault": replace(CANCELLED_RETRIED, faults=faults.ALL, fault_limit=1),
}
# Which setting shows what a rule is for, where it is not a short task.
SHOWN_BY = {
    "P4": CANCELLED_RETRIED,
    "P4 holder": FORGED,
    "P4 sender": OWN,
    "P9 own": OWN,
    "P10 proof": FORGED,
    "P10 charged": POISON,
    "P11": ENDLESS_CANCELLED,
    "P12 announced": POISON,
    "P13": CANCELLED_RETRIED,
    "P16": UNKNOWN,
    "P18": replace(SIGNALLED, signals=1),
    "P18 current": SNOOZED,
    "P18 due": SNOOZED,
    "P18 free": replace(SNOOZED, max_attempts=1),
    "P19 once": SIGNALLED,
    "P19 timeout": TIMED_OUT,
    "P21": NEWER,
    "P21 withheld": NEWER,
    "P22 beside": HEDGED,
    "P22 number": replace(HEDGED, faults=("agent crash",)),
    "P22 first": HEDGED_CANCELLED,
    "P22 current": HEDGED_RETRIED,
}
TRANSACTIONS = {
    "P6 order": "rows are locked in the order of their ids",
    "P6 parents": "what waits for a task that has ended is found again",
    "P6 freed": "a child is freed and claimed under a lock on its row",
    "P17": "a child is inserted under a lock on its parent's row, and only for the current attempt",
    "P19": "a signal is stored under a lock on its task's row",
}


@dataclass(frozen=True)
class RuleRow:
    """One line of the table: what goes wrong without a rule, and how."""

    rule: str
    says: str
    wrong: str
    trace: tuple[str, ...]

    def markdown(self) -> str:
        return f"| {self.rule} | {self.says} | {self.wrong} | {' → '.join(self.trace)} |"


def without(rule: str) -> RuleRow:
    """What a search finds when this rule is switched off, with as few faults as it takes."""
    if rule == "P6 order":
        return RuleRow(rule, TRANSACTIONS[rule], *transactions.two_writers(in_order=False))
    if rule == "P6 parents":
        return RuleRow(rule, TRANSACTIONS[rule], *transactions.parent_and_child(looks_again=False))
    if rule == "P6 freed":
        return RuleRow(rule, TRANSACTIONS[rule], *transactions.child_claimed_as_it_is_freed(locks_child=False))
    if rule == "P17":
        return RuleRow(rule, TRANSACTIONS[rule], *transactions.child_of_a_cancelled_task(locks_parent=False))
    if rule == "P19":
        return RuleRow(rule, TRANSACTIONS[rule], *transactions.signal_and_suspension(locks_task=False))
    if rule in seats.RULES:
        wrong, trace, _ = seats.explore(rule)
        return RuleRow(rule, seats.RULES[rule], wrong, trace)
    setting = SHOWN_BY.get(rule, SHORT).without(rule)
    found = Finding(0)
    for fault_limit in range(setting.fault_limit + 1):
        found = explore(replace(setting, fault_limit=fault_limit))
        if found.wrong:
            break
    return RuleRow(rule, RULES[rule], found.wrong, found.trace)


def all_rules() -> list[str]:
    """Every rule of the table, in order."""
    return sorted([*RULES, *TRANSACTIONS, *seats.RULES], key=lambda rule: (int(rule.split()[0][1:]), rule))


def table() -> Iterator[str]:
    """The table as lines of Markdown."""
    yield "| rule | says | without it | shortest trace |"
    yield "|---|---|---|---|"
    for rule in all_rules():
        yield without(rule).markdown()
