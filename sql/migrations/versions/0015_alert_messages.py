"""What alerts say, as the id of a message and its parameters beside the English text."""

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

MAX_NAMED = 20_000  # of the newest rows; older ones stay English texts
# A worker of an older release knows the text alone: what it writes must not stand beside parameters that were there.
FORGET = """
CREATE FUNCTION alerts_forget_message_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.message_id := NULL;
    NEW.message_parameters := NULL;
    RETURN NEW;
END
$$
"""
ON_UPDATE = """
CREATE TRIGGER alerts_forget_message_id BEFORE UPDATE OF message ON alerts FOR EACH ROW
WHEN (NEW.message <> OLD.message AND NEW.message_id IS NOT DISTINCT FROM OLD.message_id
    AND NEW.message_parameters IS NOT DISTINCT FROM OLD.message_parameters)
EXECUTE FUNCTION alerts_forget_message_id()
"""
NAME = """
UPDATE alerts SET message_id = named.id, message_parameters = named.parameters
FROM jsonb_to_recordset(CAST(:named AS jsonb)) AS named (alert uuid, id text, parameters jsonb)
WHERE alerts.id = named.alert
"""

# What was written before, with the id that it has now: tried in this order, as what fits nearly anything comes last.
_REASONS = (
    ("placement.no_agent", "no agent is registered"),
    ("placement.no_type", "no registered agent takes type {type}"),
    (
        "placement.no_knowledge",
        "no registered agent can run type {type}: {agents} do not know it, or not in this version",
    ),
    (
        "placement.no_tags",
        "no registered agent that takes type {type} has the tags {tags} (the nearest lacks {missing})",
    ),
    ("tick_blocked.table", "table {name}"),
    ("tick_blocked.row", "the row of task {id}"),
)
_TEXTS = (
    ("leader_missing.no_leader", "no worker leads: nothing is scheduled"),
    ("dispatcher_stalled.stalled", "no tick has ended for {seconds} s: the dispatcher waits for {what}"),
    (
        "not_started.not_started",
        "agent {agent} has a free slot and has not started a task that it was given {seconds} s ago",
    ),
    ("agent_unhealthy.unhealthy", "agent {agent} does no work: {reason}"),
    ("dashboard_down.down", "the dashboard can't be opened: {reason}"),
    ("no_agent.pending", "{count} task of type {type} waits: {because}"),
    ("no_agent.pending", "{count} tasks of type {type} wait: {because}"),
    ("oldest_waiting.waited", "the oldest task of queue {queue}, of type {type}, has waited for {seconds} s"),
    ("queue_growth.grew", "queue {queue} grew from {then} to {now} waiting tasks in {window} s"),
    ("failure_rate.failed", "{failed} of {ended} attempts of type {type} failed in {window} s"),
    ("retry_storm.retried", "{count} attempt of type {type} a minute fails and is repeated"),
    ("retry_storm.retried", "{count} attempts of type {type} a minute fail and are repeated"),
    ("latency_p99.slow", "1 % of the tasks of type {type} wait longer than {seconds} s to start"),
    ("agent_lost.lost", "agent {agent} was lost {count} time in {window} s"),
    ("agent_lost.lost", "agent {agent} was lost {count} times in {window} s"),
    ("agent_flapping.started", "agent {agent} started {count} time in {window} s"),
    ("agent_flapping.started", "agent {agent} started {count} times in {window} s"),
    (
        "name_shared.shared",
        "{count} agents on {hosts} are named {agent}: a hold or restart meets all of them; give one pool other names",
    ),
    ("disk.full", "the disk of {path} on {host} is {share} full"),
    ("memory.used", "{share} of the memory of {host} is used"),
    ("absence.absent", "no task of type {type} was submitted for {seconds} s; in the last hour there was one"),
    (
        "absence.absent",
        "no task of type {type} was submitted for {seconds} s; in each of the last {hours} hours there was one",
    ),
    (
        "quarantined.quarantined",
        "{count} thing could not be processed and is in quarantine: {command} quarantine list",
    ),
    (
        "quarantined.quarantined",
        "{count} things could not be processed and are in quarantine: {command} quarantine list",
    ),
    ("mail_unread.unread", "the oldest message to agent {agent} has waited for {seconds} s: {command} mail list"),
    ("dead_letters.given_up", "{count} message to agent {agent} was given up: {command} mail list --dead"),
    ("dead_letters.given_up", "{count} messages to agent {agent} were given up: {command} mail list --dead"),
    ("anomaly.duration", "the duration of type {type} is {value} s (geometric mean), where {usual} is usual"),
    ("anomaly.failures", "the failure rate of type {type} is {value} %, where {usual} is usual"),
    ("anomaly.arrivals", "the arrival rate of type {type} is {value} per minute, where {usual} is usual"),
    (
        "tick_blocked.blocked",
        "{locked} is locked by process {pid} ({who}, {state}, its transaction is {age} s old): {query}",
    ),
    ("server_down.postgresql_away", "PostgreSQL can't be reached: {reason}"),
    ("server_down.postgresql_unusable", "PostgreSQL can't be used: {reason}"),
    ("server_down.redis_unusable", "Redis can't be used: {reason}"),
    ("duty_late.late", "duty {duty}: {reason}"),
    ("server_down.no_answer", "{server} does not answer"),
)


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / 100


def _part(text: str) -> Any:
    message_id, parameters = named(text, _REASONS)
    return text if message_id is None else {"id": message_id, "parameters": parameters, "text": text}


_WHOLE = {"pid", "then", "now", "failed", "ended", "hours", "count"}
_NUMBERS = {"seconds", "window", "value", "usual", "age"}
_READ: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_WHOLE, int),
    **dict.fromkeys(_NUMBERS, float),
    "share": _share,
    "because": _part,
    "locked": _part,
}
_NOW_CALLED = {"because": "reason", "locked": "what"}


def _pattern(template: str) -> re.Pattern[str]:
    parts = string.Formatter().parse(template)
    found = (re.escape(fixed) + ("" if name is None else f"(?P<{name}>.+?)") for fixed, name, _, _ in parts)
    return re.compile("".join(found), re.DOTALL)


_PATTERNS = {template: _pattern(template) for _, template in (*_TEXTS, *_REASONS)}


def named(text: str, templates: Sequence[tuple[str, str]] = _TEXTS) -> tuple[str | None, dict[str, Any] | None]:
    """Returns the id and the parameters of a text of former releases; None and None if somebody else wrote it."""
    for message_id, template in templates:
        found = _PATTERNS[template].fullmatch(text)
        if found is None:
            continue
        values = {name: value for name, value in found.groupdict().items() if name != "command"}
        try:
            read = {_NOW_CALLED.get(n, n): _READ.get(n, str)(value) for n, value in values.items()}
        except ValueError:  # a name with words of the template in it
            continue
        if message_id == "absence.absent":
            read.setdefault("hours", 1)
        return message_id, read
    return None, None


def upgrade() -> None:
    op.execute("ALTER TABLE alerts ADD COLUMN message_id text, ADD COLUMN message_parameters jsonb")
    op.execute(FORGET)
    op.execute(ON_UPDATE)
    connection = op.get_bind()
    newest = "SELECT id, message FROM alerts ORDER BY fired_at DESC LIMIT :most"
    rows = connection.execute(sa.text(newest), {"most": MAX_NAMED}).all()
    found = []
    for alert, message in rows:
        message_id, parameters = named(message)
        if message_id is not None:
            found.append({"alert": str(alert), "id": message_id, "parameters": parameters})
    if found:
        connection.execute(sa.text(NAME), {"named": json.dumps(found)})


def downgrade() -> None:
    op.execute("DROP TRIGGER alerts_forget_message_id ON alerts")
    op.execute("DROP FUNCTION alerts_forget_message_id")
    op.execute("ALTER TABLE alerts DROP COLUMN message_id, DROP COLUMN message_parameters")
