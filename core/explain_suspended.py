"""Explains what a suspended task waits for (pure)."""

from __future__ import annotations

from datetime import datetime

from taskyard.core.humanize import duration
from taskyard.core.i18n import N_, Moment, TranslatableText, msg
from taskyard.core.models import Task

_UNTIL = N_("suspended for {duration}, until {time}")
_TOLD = N_("attempt {attempt} was told when to try again: in {duration}, at {time}")
_SIGNAL_UNTIL = N_("waits for signal {name}, for {duration} at most, until {time}")
_ASKS = N_("asks in the Inbox: {question}")
_ASKS_UNTIL = N_("asks in the Inbox, for {duration} at most, until {time}: {question}")


def reason_of(task: Task, now: datetime) -> str | None:
    """Returns what keeps a suspended task from an agent, None if its time has come."""
    waits = task.suspension or {}
    kind = waits.get("kind")
    if kind == "children":
        if waits.get("of") is None:
            return msg("waits for {count} of its children", count=task.waiting_on)
        return msg("waits for {count} of {total} children", count=task.waiting_on, total=waits["of"])
    if task.run_at is None:
        if waits.get("question") is not None:
            return TranslatableText(_ASKS, {"question": str(waits["question"])})
        return msg("waits for signal {name}", name=str(waits.get("name")))
    seconds = (task.run_at - now).total_seconds()
    if seconds <= 0:
        return None
    values = {
        "duration": duration(seconds),
        "time": Moment(task.run_at, task.run_at.isoformat(timespec="seconds")),
        "attempt": task.attempt,
        "name": str(waits.get("name")),
        "question": str(waits.get("question")),
    }
    signal = _SIGNAL_UNTIL if waits.get("question") is None else _ASKS_UNTIL
    template = {"signal": signal, "retry_after": _TOLD}.get(str(kind), _UNTIL)
    return TranslatableText(template, values)
