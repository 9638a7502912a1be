"""Answers questions while processes die, as people would: until it is known that the answer was accepted."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping

from taskyard.core.access.identity import PASSWORD, Actor, local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind, acting
from taskyard.core.errors import NotPermitted, TaskyardError, Unavailable
from taskyard.core.postgres.store import questions
from taskyard.core.questions.errors import QuestionClosed, QuestionNotFound
from taskyard.core.questions.question import Decision, Question
from taskyard.core.submission import authorized_access
from taskyard.worker.devtools.prove import records
from taskyard.worker.devtools.prove.workflows import plan
from taskyard.worker.devtools.prove.world import World

POLL_SECONDS = 0.2
LONGEST_SECONDS = 3.0  # that people think
JOURNAL = "answers.jsonl"
ROLES: Mapping[str, Role] = {
    plan.ANN: Role.OPERATOR,
    plan.BOB: Role.OPERATOR,
    plan.KIM: Role.SUBMITTER,
    plan.LEE: Role.SUBMITTER,
}


class Answers:
    """Answers all questions, each in the manner that its key names, in a thread of its own until `stop`.

    What is still to be said to a question is told by what the database has of it, so a call that was cut off is
    repeated, or not.
    """

    def __init__(self, world: World) -> None:
        self.trouble = ""
        self._world = world
        self._people = {name: acting(Kind.PERSON, name, PASSWORD, role, ["*"], ["*"]) for name, role in ROLES.items()}
        self._since: dict[str, float] = {}
        self._stop = threading.Event()
        with world.database.transaction() as tx:
            for name, role in ROLES.items():
                authorized_access.create(tx, local_actor(), name, role)
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                with self._world.database.transaction() as tx:
                    found = questions.open_questions(tx)
                for question in found:
                    if self._is_due(question):
                        _MANNERS[question.key](self, question)
            except Unavailable:
                continue
            except (QuestionClosed, QuestionNotFound):
                continue  # its task ended, or its time ran out
            except (TaskyardError, KeyError) as error:
                self.trouble = f"an answer was refused: {type(error).__name__}: {error}"

    def _is_due(self, question: Question) -> bool:
        since = self._since.setdefault(question.id, time.monotonic())
        return time.monotonic() - since >= random.Random(question.id).uniform(0, LONGEST_SECONDS)

    # manners

    def _once(self, question: Question) -> None:
        self._say(question, plan.ANN)

    def _twice(self, question: Question) -> None:
        self._say(question, plan.ANN)
        try:
            self._say(question, plan.ANN)
        except (NotPermitted, QuestionClosed):
            return
        self.trouble = f"question {question.id} took two answers of one person"

    def _decline(self, question: Question) -> None:
        self._say(question, plan.BOB, Decision.DECLINED)

    def _delegate(self, question: Question) -> None:
        if plan.LEE not in question.delegated_to:
            self._world.submitter.questions.delegate(question.id, plan.LEE, actor=self._actor(plan.KIM))
        self._say(question, plan.LEE)

    def _both(self, question: Question) -> None:
        said = {one.person for one in question.answers}
        for name in (plan.ANN, plan.BOB):
            if name not in said:
                self._say(question, name, has_data=not said)
                said.add(name)

    def _race(self, question: Question) -> None:
        others = [threading.Thread(target=self._try, args=(question, name)) for name in (plan.ANN, plan.BOB)]
        for other in others:
            other.start()
        for other in others:
            other.join()

    def _leave(self, question: Question) -> None:
        """Says nothing."""

    # ours

    def _try(self, question: Question, name: str) -> None:
        try:
            self._say(question, name)
        except (Unavailable, QuestionClosed, QuestionNotFound):
            return
        except TaskyardError as error:
            self.trouble = f"an answer was refused: {error}"

    def _say(
        self, question: Question, name: str, decision: Decision = Decision.APPROVED, *, has_data: bool = True
    ) -> None:
        is_approval = decision is Decision.APPROVED
        data = {"word": f"{name} {question.id}"} if is_approval and has_data else None
        reason = "" if is_approval else "not yet"
        commands = self._world.submitter.questions
        commands.answer(question.id, decision.value, data, actor=self._actor(name), reason=reason)
        records.append(self._world.folder / JOURNAL, [question.id, name, decision.value])

    def _actor(self, name: str) -> Actor:
        return self._people[name]


_MANNERS: Mapping[str, Callable[[Answers, Question], None]] = {
    plan.ONCE: Answers._once,
    plan.TWICE: Answers._twice,
    plan.DECLINED: Answers._decline,
    plan.DELEGATED: Answers._delegate,
    plan.BOTH: Answers._both,
    plan.RACE: Answers._race,
    plan.LEFT: Answers._leave,
}
