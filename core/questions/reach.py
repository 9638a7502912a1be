"""Says of whom a question is asked in vain (pure): names that nobody has, or that nobody has any more.

That is no reason to refuse a question: people may be added after the code that asks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskyard.core.access.identity import LOGIN
from taskyard.core.access.permissions import ROLES, Role, is_role
from taskyard.core.access.principals import Kind, Principal
from taskyard.core.questions.question import Question, QuestionState
from taskyard.core.questions.rules import can_answer


def unreached(question: Question, principals: Sequence[Principal]) -> tuple[str, ...]:
    """Returns the roles and names of an open question of which nobody may answer it.

    Roles are reached where nobody is known by name: whoever is on the machine has them there.
    """
    if question.state is not QuestionState.OPEN:
        return ()
    people = [one for one in principals if one.kind is not Kind.AGENT and one.disabled_at is None]
    able = [one for one in people if can_answer(one.acting(LOGIN), question)]
    names = {one.name for one in able}
    asked = (*question.of, *question.delegated_to)
    return tuple(
        name for name in asked
        if (bool(people) and not _has_role(able, name) if is_role(name) else name not in names)
    )  # fmt: skip


def _has_role(people: Iterable[Principal], role: str) -> bool:
    return any(ROLES[Role(role)] <= one.acting(LOGIN).permissions for one in people)
