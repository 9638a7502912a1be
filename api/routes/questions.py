"""Shows what tasks ask people, and takes their answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from taskyard.api.authentication import ActorDep, needs
from taskyard.api.models.asked_questions import QuestionInfo
from taskyard.api.models.common import Changed
from taskyard.api.models.questions import Delegation, GivenAnswer
from taskyard.api.reading import ServicesDep, acting_for, in_thread, read
from taskyard.core.access.identity import Actor
from taskyard.core.access.modes import Mode
from taskyard.core.access.permissions import Permission
from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.questions.question import Question, QuestionState, check_state
from taskyard.core.questions.rules import may_answer
from taskyard.core.submission.questions import check_question_id
from taskyard.core.views import questions
from taskyard.core.views.questions import masked_question

router = APIRouter(prefix="/questions", tags=["questions"])
READS, ANSWERS = needs(Permission.TASK_READ), needs(Permission.QUESTION_ANSWER)
MAX_LIMIT = 200
Id = Annotated[str, Path(alias="id", description="The id of the question")]


@router.get("", summary="List questions", dependencies=[READS])
async def find(
    services: ServicesDep,
    actor: ActorDep,
    state: Annotated[
        str, Query(description="open, answered, declined, expired or withdrawn; ended: all but open ones")
    ] = "open",
    own: Annotated[bool, Query(description="Of the open ones only those that are asked of you")] = False,
    before: Annotated[str | None, Query(description="Of ended ones only those before this id, to read on")] = None,
    limit: Annotated[int, Query(description="At most so many, from 1 to 200")] = 50,
) -> list[QuestionInfo]:
    """Returns the open questions, those that were asked first first, or the last ones that have ended."""
    if not 1 <= limit <= MAX_LIMIT:
        raise refused("limit", limit, msg("a number from 1 to {limit}", limit=MAX_LIMIT))
    wanted = None if state == "ended" else check_state(state)
    place = None if before is None else check_question_id(before)
    found = await read(services, _find, actor, services.settings.auth, wanted, own, place, limit)
    return [_info(one, actor) for one in found]


@router.get("/{id}", summary="Get a question", dependencies=[READS])
async def get(question_id: Id, services: ServicesDep, actor: ActorDep) -> QuestionInfo:
    """Returns a question with its answers."""
    wanted = check_question_id(question_id)
    found = await read(services, questions.one_question, actor, wanted, services.settings.auth)
    return _info(found, actor)


@router.post("/{id}/answer", summary="Answer a question", dependencies=[ANSWERS])
async def answer(question_id: Id, given: GivenAnswer, services: ServicesDep, actor: ActorDep) -> QuestionInfo:
    """Approves or declines; the answer that decides lets the task go on. Each person answers once."""
    commands = acting_for(services, actor)
    found = await in_thread(commands.answer, question_id, given.decision, given.data, given.reason)
    return _info(masked_question(found, actor), actor)


@router.post("/{id}/delegate", summary="Delegate a question", dependencies=[ANSWERS])
async def delegate(question_id: Id, given: Delegation, services: ServicesDep, actor: ActorDep) -> Changed:
    """Lets one more person answer."""
    commands = acting_for(services, actor)
    return Changed(is_changed=await in_thread(commands.delegate, question_id, given.to, given.reason))


def _find(
    tx: Transaction, actor: Actor, mode: Mode, state: QuestionState | None, is_own: bool, before: str | None, limit: int
) -> list[Question]:
    if state is QuestionState.OPEN:
        return questions.inbox(tx, actor, mode, is_own=is_own)[:limit]
    return questions.ended(tx, actor, state=state, before=before, limit=limit)


def _info(question: Question, actor: Actor) -> QuestionInfo:
    return QuestionInfo(**question.as_json(), is_yours=may_answer(question, actor))
