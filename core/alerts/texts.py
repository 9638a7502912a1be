"""What alerts say, as templates: a message is stored and sent in English, and recalled for viewers of other languages.

Each value is a text; where a count changes the sentence there is one for 1 and one for all others.
"""

from __future__ import annotations

from taskyard.core.i18n import N_, recalled
from taskyard.core.postgres.locks import BLOCKED_BY, ROW, TABLE
from taskyard.core.scheduling.placement import UNPLACEABLE

SHIPPED_NAMES = (  # of the rules in core/default_rules.toml
    N_("leader missing"),
    N_("server down"),
    N_("tick blocked by a lock"),
    N_("dispatcher stalled"),
    N_("tasks assigned but not started"),
    N_("agents unhealthy"),
    N_("dashboard down"),
    N_("duties late"),
    N_("no agent for a type"),
    N_("tasks wait long"),
    N_("queue grows"),
    N_("failure rate"),
    N_("retry storm"),
    N_("slow start"),
    N_("agent lost"),
    N_("agent flapping"),
    N_("agent name used twice"),
    N_("disk nearly full"),
    N_("memory nearly full"),
    N_("expected work is absent"),
    N_("unlike itself"),
    N_("quarantined reports"),
    N_("messages wait long"),
    N_("dead letters"),
)
NO_LEADER = N_("no worker leads: nothing is scheduled")
NO_ANSWER = N_("{server} does not answer")
STALLED = N_("no tick has ended for {seconds} s: the dispatcher waits for {what}")
NOT_STARTED = N_("agent {agent} has a free slot and has not started a task that it was given {seconds} s ago")
UNHEALTHY = N_("agent {name} does no work: {reason}")
DASHBOARD_DOWN = N_("the dashboard can't be opened: {reason}")
DUTY_LATE = N_("duty {name}: {reason}")
NOBODY_TAKES = (
    N_("{count} task of type {type} waits: {reason}"),
    N_("{count} tasks of type {type} wait: {reason}"),
)
WAITED = N_("the oldest task of queue {queue}, of type {type}, has waited for {seconds} s")
GREW = N_("queue {queue} grew from {then} to {now} waiting tasks in {window} s")
FAILED = N_("{failed} of {ended} attempts of type {type} failed in {window} s")
REPEATED = (
    N_("{count} attempt of type {type} a minute fails and is repeated"),
    N_("{count} attempts of type {type} a minute fail and are repeated"),
)
SLOW_START = N_("1 % of the tasks of type {type} wait longer than {seconds} s to start")
LOST = (
    N_("agent {agent} was lost {count} time in {window} s"),
    N_("agent {agent} was lost {count} times in {window} s"),
)
STARTED = (
    N_("agent {agent} started {count} time in {window} s"),
    N_("agent {agent} started {count} times in {window} s"),
)
SHARED = N_(
    "{count} agents on {hosts} are named {agent}: a hold or restart meets all of them; give one pool other names"
)
DISK_FULL = N_("the disk of {path} on {host} is {share} full")
MEMORY_USED = N_("{share} of the memory of {host} is used")
ABSENT = (
    N_("no task of type {type} was submitted for {seconds} s; in the last hour there was one"),
    N_("no task of type {type} was submitted for {seconds} s; in each of the last {hours} hours there was one"),
)
UNUSUAL = N_("the {measure} of type {type} is {value} {unit}, where {usual} is usual")
QUARANTINED = (
    N_("{count} thing could not be processed and is in quarantine: taskyard quarantine list"),
    N_("{count} things could not be processed and are in quarantine: taskyard quarantine list"),
)
UNREAD = N_("the oldest message to agent {agent} has waited for {seconds} s: taskyard mail list")
DEAD_LETTERS = (
    N_("{count} message to agent {agent} was given up: taskyard mail list --dead"),
    N_("{count} messages to agent {agent} were given up: taskyard mail list --dead"),
)
_WORDS = (N_("arrival rate"), N_("failure rate"), N_("duration"), N_("per minute"), N_("s (geometric mean)"))
_OF_SERVERS = (N_("PostgreSQL can't be reached: {reason}"), N_("Redis can't be used: {reason}"))
# The order is that in which they are tried: what fits nearly anything comes last.
_ALL = (
    NO_LEADER,
    STALLED,
    NOT_STARTED,
    UNHEALTHY,
    DASHBOARD_DOWN,
    *NOBODY_TAKES,
    WAITED,
    GREW,
    FAILED,
    *REPEATED,
    SLOW_START,
    *LOST,
    *STARTED,
    SHARED,
    DISK_FULL,
    MEMORY_USED,
    *ABSENT,
    *QUARANTINED,
    UNREAD,
    *DEAD_LETTERS,
    UNUSUAL,
    BLOCKED_BY,
    ROW,
    TABLE,
    *_WORDS,
    *UNPLACEABLE,
    *_OF_SERVERS,
    DUTY_LATE,
    NO_ANSWER,
)


def counted(templates: tuple[str, str], count: float, **values: object) -> str:
    """The sentence for one or for any other number."""
    shown = f"{count:.0f}"
    return templates[shown != "1"].format(count=shown, **values)


def recalled_message(message: str) -> str:
    """An alert's message as a `Said`, unless somebody else wrote it."""
    return recalled(message, _ALL)
