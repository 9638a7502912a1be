"""Questions of tasks through both clients: listed, answered, declined, delegated."""

from __future__ import annotations

import asyncio

import pytest

from taskyard.client import AsyncClient, Client
from taskyard.core.errors import SubmissionError
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound
from tests.asked import asked
from tests.client.apis import ApiProcess
from tests.engine import Engine

NOBODY = "0199c0de-0000-7000-8000-000000000001"
SCHEMA = {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"]}


def test_questions_are_answered_declined_and_gone(client: Client, store: Engine) -> None:
    first = asked(store.submitter, store.database, schema=SCHEMA)
    second = asked(store.submitter, store.database, "And now?")
    assert {first, second} <= {one.id for one in client.questions.find()}
    found = client.questions.get(first)
    assert (found.state, found.json_schema) == ("open", SCHEMA)
    with pytest.raises(SubmissionError, match="version"):
        client.questions.answer(first, {"version": 7})
    done = client.questions.answer(first, {"version": "1.2"}, reason="well")
    assert (done.state, done.answers[0].data) == ("answered", {"version": "1.2"})
    with pytest.raises(QuestionClosed):
        client.questions.answer(first, {"version": "1.3"})
    with pytest.raises(SubmissionError, match="reason"):
        client.questions.decline(second, reason="")
    assert client.questions.decline(second, reason="a freeze").state == "declined"
    assert second in {one.id for one in client.questions.find(state="declined", limit=10)}


def test_wrong_ids_and_people_are_refused(client: Client, store: Engine) -> None:
    question = asked(store.submitter, store.database, "Who else?")
    with pytest.raises(QuestionNotFound):
        client.questions.get(NOBODY)
    with pytest.raises(SubmissionError, match="question"):
        client.questions.answer("7")
    with pytest.raises(SubmissionError):
        client.questions.delegate(question, "nobody-of-this-name")
    with pytest.raises(SubmissionError, match="state"):
        client.questions.find(state="sleeping")


def test_the_asynchronous_client_has_the_same(api: ApiProcess, token: str, store: Engine) -> None:
    question = asked(store.submitter, store.database, "Both?")

    async def answered() -> None:
        async with AsyncClient(api.url, token) as client:
            assert question in {one.id for one in await client.questions.find()}
            assert (await client.questions.get(question)).state == "open"
            assert (await client.questions.answer(question)).state == "answered"
            with pytest.raises(QuestionClosed):
                await client.questions.decline(question, reason="late")

    asyncio.run(answered())
