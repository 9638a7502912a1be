"""Reads the alerts of a report's period."""

from __future__ import annotations

from collections.abc import Mapping

from taskyard.core.alerts.subject_page import subject_page
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.reports.data.report import AlertLine, Scope

MAX_ALERTS = 50  # lines in a report


def alert_lines(
    tx: Transaction, since: float, until: float, scope: Scope, kinds: Mapping[str, str]
) -> tuple[list[AlertLine], int]:
    """Returns alerts that fired in a range (epoch seconds), worst first, and how many more lines there are.

    A report of one queue or type has the alerts about it. `kinds` are those of the rules, by their names.
    """
    found = [
        AlertLine(rule, kinds.get(rule, ""), *rest)
        for rule, *rest in tx.rows(queries("reports")["alerts"], {"since": since, "until": until})
    ]
    lines = [line for line in found if scope.is_all or _is_about(line, scope)]
    return lines[:MAX_ALERTS], max(0, len(lines) - MAX_ALERTS)


def _is_about(line: AlertLine, scope: Scope) -> bool:
    _, parameters = subject_page(line.kind, line.subject) or ("", {})
    about = {name: value for name, value in parameters.items() if name in ("queue", "type", "types")}
    return bool(about) and all(value in (scope.queue, scope.type) for value in about.values())
