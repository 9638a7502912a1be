"""Decides who may answer a question, and when it is decided."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import ROLES, Permission, Role, is_role
from taskyard.core.errors import NotPermitted
from taskyard.core.i18n import N_, msg
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound
from taskyard.core.questions.question import Decision, GivenAnswer, Question, QuestionState

_PREFIXES = ("person", "token", "local", "service", "hook")  # of names in the audit log; see core.access.principals
_CLOSED = {
    QuestionState.ANSWERED: N_("question {id} has been answered already, by {names}"),
    QuestionState.DECLINED: N_("question {id} has been declined already, by {names}"),
    QuestionState.EXPIRED: N_("question {id} can't be answered any more: its time ran out"),
    QuestionState.WITHDRAWN: N_("question {id} can't be answered any more: its task does not wait for it"),
}


def person_of(actor_name: str) -> str:
    """Returns whose name an actor's is, however they came in: ann, for `person:ann@10.0.0.7` and for `token:ann`."""
    prefix, separator, rest = actor_name.partition(":")
    name = rest if separator and prefix in _PREFIXES else actor_name
    before, at, address = name.rpartition("@")
    return before if at and before and _is_address(address) else name


def missing(question_id: object) -> QuestionNotFound:
    """Returns the error for an id that no question has, or none that may be known of."""
    return QuestionNotFound(msg("question {id} does not exist", id=question_id))


def check_open(question: Question, now: datetime) -> None:
    """Raises QuestionClosed if nobody can answer any more; `now` is the database's time."""
    state = question.state
    if state is QuestionState.OPEN and question.deadline is not None and question.deadline <= now:
        state = QuestionState.EXPIRED  # the leader records it when it goes on
    if state is not QuestionState.OPEN:
        wanted = Decision.DECLINED if state is QuestionState.DECLINED else Decision.APPROVED
        names = ", ".join(one.person for one in question.answers if one.decision is wanted)
        raise QuestionClosed(msg(_CLOSED[state], id=question.id, names=names), state.value)


def check_answerer(question: Question, actor: Actor) -> None:
    """Raises NotPermitted if this person's answer does not count, with the reason."""
    actor.require(Permission.QUESTION_ANSWER, queue=question.queue, type_=question.type)
    person = person_of(actor.name)
    if not is_asked(question, actor):
        names = ", ".join((*question.of, *question.delegated_to))
        raise _refused(msg("{name} may not answer this question: it is asked of {names}", name=person, names=names))
    if question.not_by_submitter and person == person_of(question.submitted_by):
        text = msg("{name} submitted the task: somebody else must answer this question", name=person)
        raise _refused(text)
    if (earlier := answer_of(question, person)) is not None:
        text = msg(
            "{name} has answered this question already: {decision}", name=person, decision=earlier.decision.value
        )
        raise _refused(text)


def check_delegator(question: Question, actor: Actor) -> None:
    """Raises NotPermitted for who is not asked, and does not manage people either."""
    actor.require(Permission.QUESTION_ANSWER, queue=question.queue, type_=question.type)
    if not is_asked(question, actor) and not actor.may(Permission.ACCESS_MANAGE):
        name = person_of(actor.name)
        raise _refused(msg("{name} may not delegate this question: it is asked of others", name=name))


def is_asked(question: Question, actor: Actor) -> bool:
    """Returns True if a question is asked of somebody, by name, by role, or because it was delegated to them."""
    person = person_of(actor.name)
    if person in question.delegated_to:
        return True
    return any(ROLES[Role(one)] <= actor.permissions if is_role(one) else one == person for one in question.of)


def can_answer(actor: Actor, question: Question) -> bool:
    """Returns True if somebody's permissions let them answer questions of such tasks, if they are asked."""
    return actor.may(Permission.QUESTION_ANSWER) and actor.sees(question.queue, question.type)


def may_answer(question: Question, actor: Actor) -> bool:
    """Returns True if somebody's answer would count now."""
    try:
        check_answerer(question, actor)
    except NotPermitted:
        return False
    return question.state is QuestionState.OPEN


def answer_of(question: Question, person: str) -> GivenAnswer | None:
    """Returns what somebody has answered; None if nothing."""
    return next((one for one in question.answers if one.person == person), None)


def outcome(answers: Sequence[GivenAnswer], needs: int) -> Decision | None:
    """Returns what the answers decide together; None while more are needed. One decline decides."""
    if any(one.decision is Decision.DECLINED for one in answers):
        return Decision.DECLINED
    people = {one.person for one in answers}
    return Decision.APPROVED if len(people) >= needs else None


def _is_address(text: str) -> bool:
    if text == "localhost":
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _refused(text: str) -> NotPermitted:
    return NotPermitted(Permission.QUESTION_ANSWER.value, text)
