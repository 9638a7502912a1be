"""Says in words of whom a question is asked in vain; for programs without the servers' parts, too."""

from __future__ import annotations

from taskyard.core.access.permissions import is_role
from taskyard.core.i18n import TranslatableText, msg


def unreached_text(name: str) -> TranslatableText:
    """Returns what is wrong with a name of core.questions.reach.unreached."""
    if is_role(name):
        return msg("nobody known by name has the role {name} and may answer", name=name)
    return msg("{name} is no role, and nobody of this name may answer", name=name)
