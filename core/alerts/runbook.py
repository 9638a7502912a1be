"""Reads the runbooks of alerts: one page for each kind, the same as in the documentation."""

from __future__ import annotations

import posixpath
import re

from taskyard.core.alerts.kind import Subject
from taskyard.core.alerts.kinds import KINDS
from taskyard.core.paths import FILES

RUNBOOKS = FILES / "core" / "alerts" / "runbooks"
_MADE = re.compile(
    r"<!-- made by .*?<!-- end of what is made -->\n*", re.DOTALL
)  # the shipped rule; the one in force may differ
_LINK_TO_A_PAGE = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)]+)\)")  # other pages are only in the documentation
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PLACEHOLDERS = {Subject.TYPE: "TYPE", Subject.QUEUE: "QUEUE", Subject.OTHER: "AGENT"}


def runbook(kind: str, subject: str = "") -> str | None:
    """Returns the runbook of a kind of alert as Markdown with a heading; None if there is no such kind.

    Links to other pages become their places in the documentation; `subject` is filled into the commands.
    """
    page = next((page for page in RUNBOOKS.glob("*.md") if page.stem == kind and page.stem != "README"), None)
    if page is None:
        return None
    text = _LINK_TO_A_PAGE.sub(_place_of, _MADE.sub("", page.read_text("utf-8")))
    placeholder = _PLACEHOLDERS.get(KINDS[kind].subject) if kind in KINDS else None
    if placeholder is None or not _PLAIN_NAME.fullmatch(subject):  # another name could be markup
        return text
    return re.sub(rf"\b{placeholder}\b", lambda _found: subject, text)


def _place_of(link: re.Match[str]) -> str:
    """Returns a link's text with the file that it leads to."""
    path, _, _part = link[2].partition("#")
    if not path:
        return link[1]
    file = posixpath.normpath(posixpath.join("docs/operations/alerts", path))
    return f"{link[1]} (`{file}`)"


def runbook_command(kind: str | None) -> str | None:
    """Returns the command that prints the runbook of a kind, for notifications; None for an unknown rule."""
    return None if kind is None else f"taskyard runbook {kind}"
