"""Reads the runbooks of alerts: one page for each kind, the same as in the documentation."""

from __future__ import annotations

import re

from taskyard.core.paths import FILES

RUNBOOKS = FILES / "core" / "alerts" / "runbooks"
_MADE = re.compile(
    r"<!-- made by .*?<!-- end of what is made -->\n*", re.DOTALL
)  # the shipped rule; the one in force may differ
_LINK_TO_A_PAGE = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")  # other pages are only in the documentation


def runbook(kind: str) -> str | None:
    """Returns the runbook of a kind of alert as Markdown with a heading; None if there is no such kind."""
    page = next((page for page in RUNBOOKS.glob("*.md") if page.stem == kind and page.stem != "README"), None)
    if page is None:
        return None
    return _LINK_TO_A_PAGE.sub(r"\1", _MADE.sub("", page.read_text("utf-8")))


def runbook_command(kind: str | None) -> str | None:
    """Returns the command that prints the runbook of a kind, for notifications; None for an unknown rule."""
    return None if kind is None else f"taskyard runbook {kind}"
