"""Says in words why a question can't be answered as it is asked; for programs without the servers' parts, too."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.permissions import is_role
from taskyard.core.i18n import TranslatableText, msg


def in_vain_texts(unreached: Sequence[str], lacking: int, needs: int, not_by_submitter: bool) -> list[TranslatableText]:
    """Returns what is wrong with whom a question is asked of, a line each; see core.questions.reach."""
    texts = [_unreached(name) for name in unreached]
    return [*texts, _lacking(needs, needs - lacking, not_by_submitter)] if lacking else texts


def _unreached(name: str) -> TranslatableText:
    if is_role(name):
        return msg("nobody known by name has the role {name} and may answer", name=name)
    return msg("{name} is no role, and nobody of this name may answer", name=name)


def _lacking(needs: int, able: int, not_by_submitter: bool) -> TranslatableText:
    text = msg("nobody known by name who is asked may answer")
    if needs > 1:
        text = msg("{needs} people must approve, and {able} known by name may answer", needs=needs, able=able)
    return msg("{text}, whoever submitted the task not counted", text=text) if not_by_submitter else text
