"""Describes who holds a lock that others wait for (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from taskyard.core.i18n import N_, TranslatableText, msg

MAX_QUERY_LENGTH = 160  # characters
BLOCKED_BY = N_("{what} is locked by process {pid} ({who}, {state}, its transaction is {age:.0f} s old): {query}")
TABLE = N_("table {name}")
ROW = N_("the row of task {id}")
# Values in a statement are not shown: a value may be a secret.
_LITERALS = re.compile(r"""\$(\w*)\$.*?(?:\$\1\$|\Z)|(?:\b[eEbBxXnN])?'(?:[^']|'')*(?:'|\Z)""", re.DOTALL)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_WORDS_OF_SECRETS = re.compile(
    r"(?i)\b([\w-]*(?:pass|pwd|secret|token|key|credential)[\w-]*\s*[=:]\s*)[^\s,;)]+|(://[^\s/:@]*:)[^\s@]*@"
)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds a lock others wait for. `seconds` is the age of its transaction."""

    what: str
    pid: int
    application: str
    user: str
    client: str
    state: str
    seconds: float
    query: str

    @property
    def text(self) -> TranslatableText:
        """Returns a one-line description."""
        return msg(
            BLOCKED_BY,
            what=self.what,
            pid=self.pid,
            who=", ".join(filter(None, (self.application or "no application name", self.user, self.client))),
            state=self.state or "unknown",
            age=self.seconds,
            query=self.query or "?",
        )


@dataclass(frozen=True, slots=True)
class LockWait:
    """A lock, on a table or a task's row, that the tick waits for.

    `subject` is the table, `text` names the session `pid`, `seconds` is how long the wait has lasted.
    """

    subject: str
    text: str
    pid: int
    seconds: float


def shown_query(text: str | None) -> str:
    """Returns a query in one short line, without literals, comments and anything that looks like a secret."""
    bare = _COMMENTS.sub(" ", _LITERALS.sub("'…'", text or ""))
    bare = " ".join(
        _WORDS_OF_SECRETS.sub(lambda found: f"{found[1] or found[2]}…{'@' if found[2] else ''}", bare).split()
    )
    return bare if len(bare) <= MAX_QUERY_LENGTH else f"{bare[: MAX_QUERY_LENGTH - 1]}…"
