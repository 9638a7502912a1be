"""Maps shipped rules' names to their titles on pages (pure).

A rule's name is stored in alerts, silences, notifications and files of users, so it stays; its title may change.
"""

from __future__ import annotations

from taskyard.core.alerts.kinds import KINDS

TITLES = {rule.name: kind.title for kind in KINDS.values() for rule in kind.default_rules}
_NAMES = {title.casefold(): name for name, title in TITLES.items()}


def rule_title(name: str) -> str:
    """Returns the title of a rule with a shipped rule's name; the name of any other."""
    return TITLES.get(name, name)


def rule_name(title: str) -> str:
    """Returns the name of the shipped rule with this title, in any case of letters; any other text unchanged."""
    return _NAMES.get(title.casefold(), title)
