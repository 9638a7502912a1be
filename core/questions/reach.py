"""Says how far a question reaches (pure): of whom it is asked in vain, and whether enough people may answer it.

That is no reason to refuse a question: people may be added after the code that asks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from taskyard.core.access.identity import LOGIN, Actor
from taskyard.core.access.modes import Mode
from taskyard.core.access.permissions import ROLES, Role, is_role
from taskyard.core.access.principals import Kind, Principal
from taskyard.core.questions.question import Question, QuestionState
from taskyard.core.questions.rules import can_answer, is_asked, person_of


class Reach(NamedTuple):
    """The roles and names of which nobody may answer, and how many more people would have to be able to.

    `lacking` is 0 if all who are asked are `unreached`: that says it.
    """

    unreached: tuple[str, ...] = ()
    lacking: int = 0


def known_people(principals: Sequence[Principal]) -> dict[str, Actor]:
    """Returns who may come in by name, agents left out."""
    return {one.name: one.acting(LOGIN) for one in principals if one.kind is not Kind.AGENT and one.disabled_at is None}


def reach(question: Question, people: Mapping[str, Actor], mode: Mode) -> Reach:
    """Returns how far an open question reaches; one that has ended lacks nobody.

    Answers are counted by name. With Mode.LOOPBACK nobody signs in: whoever is on the machine has the roles, and one
    person is another name on the page, over HTTP, and as each user of the system, so that there are always enough.
    """
    if question.state is not QuestionState.OPEN:
        return Reach()
    is_open = mode is Mode.LOOPBACK
    able = {name: actor for name, actor in people.items() if can_answer(actor, question)}
    names = (*question.of, *question.delegated_to)
    unreached = tuple(
        name for name in names
        if (not is_open and not _has_role(able.values(), name) if is_role(name) else name not in able)
    )  # fmt: skip
    if is_open or len(unreached) == len(names):
        return Reach(unreached)
    return Reach(unreached, max(0, question.needs - len(_answerers(question, able))))


def _answerers(question: Question, able: Mapping[str, Actor]) -> set[str]:
    """Returns who has approved, and who still can."""
    asked = {name for name, actor in able.items() if is_asked(question, actor)}
    if question.not_by_submitter:
        asked.discard(person_of(question.submitted_by))
    return asked | {one.person for one in question.approvals}


def _has_role(people: Iterable[Actor], role: str) -> bool:
    return any(ROLES[Role(role)] <= actor.permissions for actor in people)
