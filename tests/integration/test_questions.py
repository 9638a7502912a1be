"""Questions of tasks to people: asked with the suspension, answered behind the task's lock, never lost."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from taskyard.core.access.identity import LOGIN, TOKEN, Actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind, acting
from taskyard.core.config import load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import NotPermitted, RetryAfter, SubmissionError
from taskyard.core.postgres.store import principals, questions, retention
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound
from taskyard.core.questions.question import Question, QuestionState, RefusedAnswer
from taskyard.core.submission.questions import QuestionCommands
from taskyard.core.task_types.retry_policy import RetryPolicy
from taskyard.core.views.questions import masked_question
from taskyard.worker.attempts.context import TaskContext
from tests.databases import Databases
from tests.engine import Engine, Payload, running_engine
from tests.servers import wait_until

TYPE = "demo.deploy"


class Plan(BaseModel):
    version: str = Field(max_length=20)
    share: float = Field(1.0, ge=0, le=1)


def person(name: str, role: Role = Role.OPERATOR, via: str = LOGIN, queues: tuple[str, ...] = ("*",)) -> Actor:
    return acting(Kind.PERSON, name, via, role, queues, ("*",))


ANN, BEN, EVE = person("ann"), person("ben"), person("eve", Role.ADMIN)


@pytest.fixture
def busy(engine: Engine) -> Iterator[Engine]:
    engine.worker()
    engine.agent(max_concurrency=2)
    return engine


@pytest.fixture
def commands(engine: Engine) -> QuestionCommands:
    return engine.submitter.questions


def define(engine: Engine, model: type[BaseModel] | None = Plan, **asked: Any) -> None:
    """A type whose handler asks once and returns what it was answered."""

    def deploy(given: Payload, context: TaskContext) -> Payload:
        answer = context.ask("Deploy to production?", model, **asked)
        if answer is None:
            return Payload.model_validate({"answer": None})
        return Payload.model_validate(
            {
                "answer": answer.decision.value,
                "data": answer.data and answer.data.model_dump(),
                "by": [one.person for one in answer.answers],
                "why": [one.reason for one in answer.answers],
                "attempt": context.attempt,
            }
        )

    engine.define(TYPE, deploy, retry=RetryPolicy(max_attempts=1))


def the_question(engine: Engine, task_id: str) -> Question:
    """The open question of a task, once it is there."""

    def found() -> Question | None:
        with engine.database.transaction() as tx:
            return next((one for one in questions.of_task(tx, task_id) if one.state is QuestionState.OPEN), None)

    return wait_until(found)


def all_of(engine: Engine, task_id: str) -> list[Question]:
    with engine.database.transaction() as tx:
        return questions.of_task(tx, task_id)


def test_an_approval_is_the_handlers_result_and_costs_no_attempt(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, context="## Changes\nall of them")
    task_id = busy.submit(TYPE, created_by="sam")
    question = the_question(busy, task_id)
    assert (question.text, question.context, question.of) == (
        "Deploy to production?",
        "## Changes\nall of them",
        ("operator",),
    )
    assert question.schema is not None
    assert question.schema["required"] == ["version"]
    assert (question.submitted_by, question.deadline, question.queue, question.type) == ("sam", None, "default", TYPE)

    ended = commands.answer(question.id, "approved", {"version": "1.2"}, actor=ANN, reason="looks well")

    assert ended.state is QuestionState.ANSWERED
    task = busy.wait_for(task_id)
    assert task.output == {
        "answer": "approved",
        "data": {"version": "1.2", "share": 1.0},
        "by": ["ann"],
        "why": ["looks well"],
        "attempt": 2,
    }
    assert set(busy.events(task_id)) - {"started"} == {
        "submitted", "assigned", "suspended", "question_asked", "question_answered", "signalled", "woken", "completed",
    }  # fmt: skip
    told = {event.event: event for event in busy.history(task_id)}
    assert told["question_answered"].actor == "person:ann"
    assert told["question_answered"].detail == {
        "question": question.id,
        "name": question.key,
        "text": "Deploy to production?",
        "reason": "looks well",
        "done": 1,
        "needs": 1,
    }


def test_a_decline_has_a_reason_and_no_data(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, needs=2)
    task_id = busy.submit(TYPE)
    question = the_question(busy, task_id)
    with pytest.raises(SubmissionError, match="reason is required"):
        commands.answer(question.id, "declined", actor=ANN)
    assert commands.answer(question.id, "declined", actor=ANN, reason="a freeze").state is QuestionState.DECLINED
    task = busy.wait_for(task_id)
    assert task.output == {"answer": "declined", "data": None, "by": ["ann"], "why": ["a freeze"], "attempt": 2}
    assert "question_declined" in busy.events(task_id)


def test_two_people_approve_the_same(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, needs=2, not_by_submitter=True)
    task_id = busy.submit(TYPE, created_by="person:sam@10.0.0.7")
    question = the_question(busy, task_id)
    with pytest.raises(NotPermitted, match="sam submitted the task"):
        commands.answer(question.id, "approved", {"version": "1"}, actor=person("sam", via=TOKEN))
    assert commands.answer(question.id, "approved", {"version": "1"}, actor=ANN).state is QuestionState.OPEN
    with pytest.raises(NotPermitted, match="ann has answered this question already: approved"):
        commands.answer(question.id, "approved", {"version": "1"}, actor=person("ann", via=TOKEN))
    with pytest.raises(SubmissionError, match="the same as ann approved: decline if you do not agree"):
        commands.answer(question.id, "approved", {"version": "2"}, actor=BEN)
    assert busy.task(task_id).state == "suspended"
    assert commands.answer(question.id, "approved", actor=BEN).state is QuestionState.ANSWERED
    output = busy.wait_for(task_id).output
    assert output is not None
    assert (output["by"], output["data"]["version"]) == (["ann", "ben"], "1")


def test_the_submitter_of_a_child_is_who_submitted_its_parent(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, not_by_submitter=True)

    def parent(given: Payload, context: TaskContext) -> Payload:
        return Payload.model_validate({"child": context.submit(TYPE)})

    busy.define("demo.parent", parent)
    parent_output = busy.wait_for(busy.submit("demo.parent", created_by="token:sam")).output
    assert parent_output is not None
    question = the_question(busy, parent_output["child"])
    assert question.submitted_by == "token:sam"
    with pytest.raises(NotPermitted, match="somebody else must answer"):
        commands.answer(question.id, "approved", {"version": "1"}, actor=person("sam"))


def test_a_deadline_resumes_with_none(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, timeout_seconds=0.4)
    task_id = busy.submit(TYPE)
    question = the_question(busy, task_id)
    assert question.deadline is not None
    assert busy.wait_for(task_id).output == {"answer": None}
    [ended] = all_of(busy, task_id)
    assert ended.state is QuestionState.EXPIRED
    assert "question_expired" in busy.events(task_id)
    with pytest.raises(QuestionClosed, match="its time ran out"):
        commands.answer(question.id, "approved", {"version": "1"}, actor=ANN)


def test_a_cancelled_task_withdraws_its_question_and_a_retry_asks_again(
    busy: Engine, commands: QuestionCommands
) -> None:
    define(busy)
    task_id = busy.submit(TYPE)
    first = the_question(busy, task_id)
    busy.submitter.cancel(task_id, actor="test")
    assert [one.state for one in all_of(busy, task_id)] == [QuestionState.WITHDRAWN]
    with pytest.raises(QuestionClosed, match="its task does not wait for it"):
        commands.answer(first.id, "approved", {"version": "1"}, actor=ANN)
    busy.submitter.retry(task_id, actor="test")
    second = the_question(busy, task_id)
    assert second.id != first.id
    assert second.key == first.key
    commands.answer(second.id, "approved", {"version": "2"}, actor=ANN)
    assert busy.wait_for(task_id).output["data"]["version"] == "2"  # type: ignore[index]


def test_a_retry_by_somebody_asks_again_and_one_by_the_engine_does_not(
    busy: Engine, commands: QuestionCommands
) -> None:
    asked: list[int] = []

    def deploy(given: Payload, context: TaskContext) -> Payload:
        answer = context.ask("Go?")
        assert answer is not None
        asked.append(context.attempt)
        if len(asked) < 2:
            raise ConnectionError("the network")
        if answer.decision == "declined":
            raise ValueError(answer.answers[0].reason)
        return Payload()

    busy.define(TYPE, deploy, retry=RetryPolicy(max_attempts=2, backoff_seconds=0))
    task_id = busy.submit(TYPE)
    commands.answer(the_question(busy, task_id).id, "declined", actor=ANN, reason="not yet")
    assert busy.wait_for(task_id).state == "failed"
    assert len(all_of(busy, task_id)) == 1, "the second attempt had the same answer"
    busy.submitter.retry(task_id, actor="test")
    commands.answer(the_question(busy, task_id).id, "approved", actor=ANN)
    assert busy.wait_for(task_id).state == "completed"


def test_two_questions_one_after_the_other(busy: Engine, commands: QuestionCommands) -> None:
    def deploy(given: Payload, context: TaskContext) -> Payload:
        if context.last_checkpoint is None:
            first = context.ask("First?", key="same")
            assert first is not None
            assert first.is_approved
            context.checkpoint("first")
        second = context.ask("Second?", key="same", state="waiting")
        return Payload.model_validate({"second": second and second.decision.value, "found": context.last_checkpoint})

    busy.define(TYPE, deploy)
    task_id = busy.submit(TYPE)
    commands.answer(the_question(busy, task_id).id, "approved", actor=ANN)
    second = wait_until(lambda: next((one for one in all_of(busy, task_id) if one.text == "Second?"), None))
    commands.answer(second.id, "declined", actor=BEN, reason="no")
    assert busy.wait_for(task_id).output == {"second": "declined", "found": "waiting"}


def test_delegation_adds_a_person_who_exists(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None, of=["ann"], not_by_submitter=True)
    with busy.database.transaction() as tx:
        for name in ("ann", "kim", "sam"):
            principals.create(tx, name, Role.SUBMITTER, "test")
        principals.create(tx, "ci", Role.SUBMITTER, "test", kind=Kind.SERVICE)
    task_id = busy.submit(TYPE, created_by="person:sam")
    question = the_question(busy, task_id)
    kim = person("kim", Role.SUBMITTER)
    with pytest.raises(NotPermitted, match="kim may not answer this question: it is asked of ann"):
        commands.answer(question.id, "approved", actor=kim)
    with pytest.raises(NotPermitted, match="eve may not answer"):
        commands.answer(question.id, "approved", actor=EVE)
    with pytest.raises(NotPermitted, match="kim may not delegate"):
        commands.delegate(question.id, "kim", actor=kim)
    for nobody in ("nobody", "ci"):
        with pytest.raises(SubmissionError, match="the name of a person who may sign in"):
            commands.delegate(question.id, nobody, actor=ANN)
    with pytest.raises(SubmissionError, match="somebody else than who submitted the task"):
        commands.delegate(question.id, "sam", actor=ANN)
    with busy.database.transaction() as tx:
        principals.create(tx, "vic", "viewer", "test")
        principals.create(tx, "una", "operator", "test", queues=["other"])
    for unable in ("vic", "una"):
        with pytest.raises(SubmissionError, match="a person who may answer questions of queue default and type"):
            commands.delegate(question.id, unable, actor=ANN)
    assert not commands.delegate(question.id, "ann", actor=EVE)
    assert commands.delegate(question.id, "kim", actor=EVE, reason="ann is away")
    assert not commands.delegate(question.id, "kim", actor=ANN)
    commands.answer(question.id, "approved", actor=kim)
    assert busy.wait_for(task_id).output["by"] == ["kim"]  # type: ignore[index]
    [told] = [event for event in busy.history(task_id) if event.event == "question_delegated"]
    assert told.detail is not None
    assert (told.actor, told.detail["to"], told.detail["reason"]) == (
        "person:eve",
        "kim",
        "ann is away",
    )


def test_who_does_not_see_the_task_knows_of_no_question(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None)
    question = the_question(busy, busy.submit(TYPE))
    with pytest.raises(QuestionNotFound):
        commands.answer(question.id, "approved", actor=person("ann", queues=("reports",)))
    with pytest.raises(NotPermitted, match="viv may not answer questions of tasks"):
        commands.answer(question.id, "approved", actor=person("viv", Role.VIEWER))


@pytest.mark.parametrize(
    ("decision", "data", "reason", "text"),
    [
        ("maybe", None, "", "decision: 'maybe' is not accepted, expected one of approved, declined"),
        ("approved", None, "", "data.version is required"),
        ("approved", {"version": 7}, "", "data.version: 7 is not accepted"),
        ("approved", {"version": "x" * 21}, "", "data.version"),
        ("approved", {"version": "1", "share": 2}, "", "data.share: 2 is not accepted"),
        ("approved", {"version": "1", "shaer": 0.5}, "", "data.shaer: 0.5 is not accepted, expected nothing"),
        ("approved", ["1"], "", "data: ['1'] is not accepted"),
        ("approved", {"version": "a\x00b"}, "", "data.version"),
        ("approved", {"version": "1", "share": float("nan")}, "", "data.share"),
        ("approved", {"version": "1"}, "x" * 501, "reason"),
        ("approved", {"version": "1"}, "a\x00b", "reason"),
        ("declined", None, "", "reason is required"),
        ("declined", {"version": "1"}, "no", "data: {'version': '1'} is not accepted, expected nothing"),
    ],
)
def test_a_bad_answer_is_one_clear_line_and_nothing_is_stored(
    asking: tuple[Engine, str], decision: str, data: Any, reason: str, text: str
) -> None:
    engine, question_id = asking
    commands = engine.submitter.questions
    with pytest.raises(SubmissionError) as caught:
        commands.answer(question_id, decision, data, actor=ANN, reason=reason)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    with engine.database.transaction() as tx:
        question = questions.find(tx, question_id)
        assert question is not None
        assert (question.state, question.answers) == (QuestionState.OPEN, ())
        assert tx.rows("SELECT count(*) FROM task_signals", {})[0][0] == 0


@pytest.fixture(scope="module")
def asking(server_endpoints: Endpoints, databases: Databases, tmp_path_factory: Any) -> Iterator[tuple[Engine, str]]:
    """An engine with one open question, which refused answers leave as it is."""
    with databases.copy() as url:
        settings = load_settings(
            database_url=url,
            redis_url=server_endpoints.redis_url,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            data_dir=tmp_path_factory.mktemp("data"),
        )
        with running_engine(settings) as engine:
            engine.worker()
            engine.agent(max_concurrency=2)
            define(engine)
            yield engine, the_question(engine, engine.submit(TYPE)).id
            engine.wipe_redis()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"of": "ann"}, "ask: of: 'ann' is not accepted, expected 1 to 50 roles or names of people"),
        ({"of": ["ann"], "needs": 2}, "at most as many people as may answer"),
        ({"needs": 0}, "ask: needs: 0 is not accepted"),
        ({"timeout_seconds": -1}, "ask: timeout_seconds: -1 is not accepted"),
        ({"key": "a b"}, "ask: key: 'a b' is not accepted"),
        ({"model": dict}, "ask: model"),
        ({"context": 7}, "ask: context: 7 is not accepted"),
    ],
)
def test_a_bad_question_fails_its_task_with_the_reason(
    asking: tuple[Engine, str], changes: dict[str, Any], text: str
) -> None:
    engine, _question = asking

    def handler(given: Payload, context: TaskContext) -> Payload:
        context.ask("Go?", **changes)
        return Payload()

    name = f"demo.bad{abs(hash(text))}"
    engine.define(name, handler)
    task = engine.wait_for(engine.submit(name))
    assert task.error is not None
    assert text in task.error["message"]
    assert task.error["class"] == "permanent"


def test_nobody_sends_an_answer_as_a_signal(busy: Engine) -> None:
    define(busy, model=None)
    task_id = busy.submit(TYPE)
    question = the_question(busy, task_id)
    with pytest.raises(SubmissionError, match="one that does not begin with ask:"):
        busy.submitter.send_signal(task_id, f"ask:{question.key}", {}, actor="person:mallory")


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What acts return or raise that are made at the same time."""
    barrier = threading.Barrier(len(acts))
    found: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            found[place] = act()
        except Exception as error:
            found[place] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_two_who_answer_at_once_one_decides(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None)
    for _round in range(8):
        task_id = busy.submit(TYPE)
        question = the_question(busy, task_id)
        results = at_once(
            lambda id=question.id: commands.answer(id, "approved", actor=ANN),
            lambda id=question.id: commands.answer(id, "declined", actor=BEN, reason="no"),
        )
        [refusal] = [one for one in results if isinstance(one, Exception)]
        [ended] = [one for one in results if not isinstance(one, Exception)]
        assert isinstance(refusal, QuestionClosed)
        output = busy.wait_for(task_id).output
        assert output is not None
        assert output["by"] == [ended.answers[0].person]
        assert output["answer"] == ("approved" if output["by"] == ["ann"] else "declined")


def test_an_answer_against_a_cancellation(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None)
    for _round in range(8):
        task_id = busy.submit(TYPE)
        question = the_question(busy, task_id)
        answered, cancelled = at_once(
            lambda id=question.id: commands.answer(id, "approved", actor=ANN),
            lambda id=task_id: busy.submitter.cancel(id, actor="test"),
        )
        task = busy.wait_for(task_id)
        [ended] = all_of(busy, task_id)
        if isinstance(answered, Exception):
            assert isinstance(answered, QuestionClosed)
            assert (task.state, ended.state) == ("cancelled", QuestionState.WITHDRAWN)
        else:
            assert ended.state is QuestionState.ANSWERED
            assert task.state in ("cancelled", "completed")
        assert cancelled is None or task.state == "completed"


def test_an_answer_against_the_deadline(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None, timeout_seconds=0.5)
    for _round in range(8):
        task_id = busy.submit(TYPE)
        question = wait_until(lambda id=task_id: all_of(busy, id))[0]
        deadline = question.deadline
        assert deadline is not None
        wait_until(lambda at=deadline: datetime.now(UTC) >= at - timedelta(milliseconds=3))
        with contextlib.suppress(QuestionClosed):
            commands.answer(question.id, "approved", actor=ANN)
        output = busy.wait_for(task_id).output
        [ended] = all_of(busy, task_id)
        assert output is not None
        expected = {"approved": QuestionState.ANSWERED, None: QuestionState.EXPIRED}[output["answer"]]
        assert ended.state is expected


def test_questions_outlive_redis_the_leader_and_the_agent(engine: Engine, commands: QuestionCommands) -> None:
    define(engine, model=None, timeout_seconds=600)
    worker, agent = engine.worker("first"), engine.agent()
    task_id = engine.submit(TYPE)
    question = the_question(engine, task_id)
    agent.stop()
    worker.stop()
    engine.wipe_redis()
    commands.answer(question.id, "approved", actor=ANN)  # while nobody leads
    engine.worker("second")
    engine.agent("agent-2")
    assert engine.wait_for(task_id).output["by"] == ["ann"]  # type: ignore[index]


def test_retention_takes_questions_with_their_tasks(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None)
    task_id = busy.submit(TYPE)
    commands.answer(the_question(busy, task_id).id, "approved", actor=ANN)
    busy.wait_for(task_id)
    with busy.database.transaction() as tx:
        later = datetime.now(UTC) + timedelta(days=9)
        tx.rows("UPDATE tasks SET finished_at = now() - interval '9 days'", {})
        retention.prune_tasks(tx, 7, later, None, 10)
        assert tx.rows("SELECT count(*) FROM question_answers", {})[0][0] == 0


def test_lists_are_in_order_and_narrowed(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, model=None)
    tasks = [busy.submit(TYPE, queue=name) for name in ("reports", "default", "reports")]
    asked = [the_question(busy, task_id).id for task_id in tasks]
    with busy.database.transaction() as tx:
        assert {one.id for one in questions.open_questions(tx)} == set(asked)
        seen = questions.open_questions(tx, queues=["reports"])
        assert {one.task_id for one in seen} == {tasks[0], tasks[2]}
        assert seen == sorted(seen, key=lambda one: one.asked_at)
        oldest = {one.queue: one.number for one in questions.oldest_open(tx)}
        assert oldest == {"reports": 2, "default": 1}
    for question_id in asked:
        commands.answer(question_id, "approved", actor=ANN)
    with busy.database.transaction() as tx:
        ended = [one.id for one in questions.ended_questions(tx)]
        assert ended == asked[::-1]
        assert [one.id for one in questions.ended_questions(tx, before=asked[2], limit=1)] == [asked[1]]
        assert questions.ended_questions(tx, state=QuestionState.DECLINED) == []


class Built(BaseModel):
    version: str

    @field_validator("version")
    @classmethod
    def _is_built(cls, value: str) -> str:
        if value != "1.2":
            raise ValueError("a version that was built")
        return value


def test_an_answer_that_only_the_model_refuses_is_asked_for_again(busy: Engine, commands: QuestionCommands) -> None:
    define(busy, Built, of=["operator"], needs=2, timeout_seconds=3600)
    task_id = busy.submit(TYPE)
    first = the_question(busy, task_id)
    for person_ in (ANN, BEN):
        ended = commands.answer(first.id, "approved", {"version": "9"}, actor=person_)
    assert ended.state is QuestionState.ANSWERED
    second = wait_until(lambda: (found := the_question(busy, task_id)).id != first.id and found)
    reason = "data.version: '9' is not accepted, expected a value that passes its check: a version that was built"
    assert (second.key, second.refused) == (first.key, RefusedAnswer(["ann", "ben"], reason))
    assert second.refused_data == {"version": "9"}
    assert first.deadline is not None
    assert second.deadline == first.deadline
    for person_ in (ANN, BEN):
        commands.answer(second.id, "approved", {"version": "1.2"}, actor=person_)
    task = busy.wait_for(task_id)
    assert (task.state, task.output and task.output["data"]) == ("completed", {"version": "1.2"})
    assert (task.attempt, task.refunded) == (3, 2)
    told = [event.detail or {} for event in busy.history(task_id) if event.event == "question_asked"]
    assert [one.get("refused") for one in told] == [None, {"people": ["ann", "ben"], "reason": reason}]
    masked = masked_question(second, person("eve", Role.VIEWER))
    assert (masked.refused, masked.refused_data) == (RefusedAnswer(["ann", "ben"], "…"), "…")


def question_after(engine: Engine, earlier: Question) -> Question:
    """The open question that the same task asked after an earlier one."""
    return wait_until(lambda: (found := the_question(engine, earlier.task_id)).id != earlier.id and found)


def test_a_question_keeps_its_deadline_until_somebody_retries_the_task(
    busy: Engine, commands: QuestionCommands
) -> None:
    trouble: dict[int, Exception] = {2: ConnectionError("the network"), 3: RetryAfter(0.05, "429")}

    def deploy(given: Payload, context: TaskContext) -> Payload:
        if context.attempt in trouble:
            raise trouble[context.attempt]
        answer = context.ask("Deploy?", Built, timeout_seconds=3600)
        return Payload.model_validate({"version": answer and answer.data and answer.data.version})

    busy.define(TYPE, deploy, retry=RetryPolicy(max_attempts=5, backoff_seconds=0))
    task_id = busy.submit(TYPE)
    first = the_question(busy, task_id)
    commands.answer(first.id, "approved", {"version": "9"}, actor=ANN)
    second = question_after(busy, first)
    assert second.refused is not None
    assert first.deadline is not None
    assert second.deadline == first.deadline
    assert {"attempt_failed", "question_answered"} <= set(busy.events(task_id))
    busy.submitter.cancel(task_id, actor="test")
    busy.submitter.retry(task_id, actor="test")
    third = question_after(busy, second)
    assert (third.refused, third.refused_data) == (None, None)
    assert third.deadline is not None
    assert third.deadline > first.deadline


def test_an_answer_that_is_passed_over_when_the_time_has_run_out_is_not_asked_for_again(
    busy: Engine, commands: QuestionCommands
) -> None:
    deadlines: list[datetime] = []

    def deploy(given: Payload, context: TaskContext) -> Payload:
        if context.attempt == 2:
            wait_until(lambda: datetime.now(UTC) > deadlines[0])
        answer = context.ask("Deploy?", Built, timeout_seconds=2)
        return Payload.model_validate({"answer": answer and answer.decision.value})

    busy.define(TYPE, deploy)
    task_id = busy.submit(TYPE)
    first = the_question(busy, task_id)
    assert first.deadline is not None
    deadlines.append(first.deadline)
    commands.answer(first.id, "approved", {"version": "9"}, actor=ANN)
    task = busy.wait_for(task_id)
    assert (task.state, task.output) == ("completed", {"answer": None})
    assert {one.state for one in all_of(busy, task_id)} == {QuestionState.ANSWERED, QuestionState.EXPIRED}


def test_another_question_by_the_same_key_has_its_own_time_and_is_not_one_that_is_asked_again(
    busy: Engine, commands: QuestionCommands
) -> None:
    def deploy(given: Payload, context: TaskContext) -> Payload:
        answers = [context.ask(text, Built, key="same", timeout_seconds=3600) for text in ("First?", "Second?")]
        return Payload.model_validate({"answers": len(answers)})

    busy.define(TYPE, deploy)
    task_id = busy.submit(TYPE)
    first = the_question(busy, task_id)
    commands.answer(first.id, "approved", {"version": "9"}, actor=ANN)
    again = question_after(busy, first)
    commands.answer(again.id, "approved", {"version": "1.2"}, actor=ANN)
    other = question_after(busy, again)
    assert (other.text, other.key, other.refused, other.refused_data) == ("Second?", first.key, None, None)
    assert other.deadline is not None
    assert first.deadline is not None
    assert other.deadline > first.deadline
    commands.answer(other.id, "approved", {"version": "1.2"}, actor=ANN)
    assert busy.wait_for(task_id).output == {"answers": 2}
