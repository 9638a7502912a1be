"""Writes a worker's rules for the case that TASKYARD_ALERTS_FILE is unset: those of all kinds, as a TOML file
(pure).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from taskyard.core.alerts.kind import DefaultRule, Kind
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.alerts.rule_checks import BY_KIND

_HEAD = """\
# The shipped rules. A file of your own replaces them: save this one, change it, name it in TASKYARD_ALERTS_FILE.
# `taskyard rules --file FILE` checks it.
#
# A rule fires for a subject (a type, a queue, an agent, a host …) whose value has been at `threshold` or above for
# `for_seconds`, and resolves when the value is below `clear`. Without `channels` all channels are notified.

evaluate_every_seconds = 5

[channels.log]
kind = "log"

# [channels.ops]
# kind = "webhook"
# url = "https://ops.example.com/hooks/taskyard"
# secret_env = "OPS_WEBHOOK_KEY"
# group_seconds = 10

# [channels.mail]
# kind = "email"
# host = "smtp.example.com"
# sender = "taskyard@example.com"
# recipients = ["oncall@example.com"]
# username = "taskyard"
# password_env = "OPS_SMTP_PASSWORD"
"""


def default_rules_file() -> str:
    """Returns the file for users to copy."""
    rules = (_rule(kind, rule) for kind in KINDS.values() for rule in kind.default_rules)
    return "\n".join([_HEAD, *rules])


def _rule(kind: Kind, rule: DefaultRule) -> str:
    lines = [f"# {kind.title}: {kind.measures}", "[[rules]]"]
    lines += [f"{field} = {json.dumps(value)}" for field, value in _fields(kind, rule)]
    return "\n".join([*lines, ""])


def _fields(kind: Kind, rule: DefaultRule) -> Iterator[tuple[str, Any]]:
    yield from (("name", rule.name), ("kind", kind.name), ("severity", rule.severity))
    optional = [(field, getattr(rule, field)) for field in ("threshold", "clear")]
    optional += [(field, getattr(kind, field)) for field in BY_KIND]
    yield from ((field, value) for field, value in [*optional, ("for_seconds", rule.for_seconds)] if value is not None)
