"""Errors of the public API cross pools of processes as they are."""

from __future__ import annotations

import pickle

import pytest

from taskyard.core import errors
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.questions import errors as question_errors

MADE = [
    errors.SubmissionError("queue", 7, msg("a queue that {verb}", verb="runs")),
    errors.UnknownTaskType("no.such", ["a.b"]),
    errors.IdempotencyConflict("key", "0199c0de-0000-7000-8000-000000000000", "input"),
    errors.TaskNotFound("0199c0de-0000-7000-8000-000000000000"),
    errors.WorkflowNotFound("0199c0de-0000-7000-8000-000000000000"),
    errors.ConfigurationError(["one", "two"]),
    errors.Busy("in use", is_locked=True),
    errors.Unavailable("away"),
    errors.ItemNotFound(7),
    errors.IllegalTransition(
        "0199c0de-0000-7000-8000-000000000000", "completed", "only unfinished tasks can be cancelled"
    ),
    question_errors.QuestionClosed(msg("question {id} has been declined already", id=1), "declined"),
    errors.NotPermitted("task.operate", msg("{name} may not", name="ann")),
    errors.PermanentError("no"),
    errors.RetryAfter(30, "429"),
]


@pytest.mark.parametrize("error", MADE, ids=lambda error: type(error).__name__)
def test_an_error_comes_out_as_it_went_in(error: errors.TaskyardError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert isinstance(again.text, TranslatableText) == isinstance(error.text, TranslatableText)


def test_all_kinds_are_tried_or_take_a_text() -> None:
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TaskyardError)
    }
    assert {kind for kind in kinds if kind.__init__ is not Exception.__init__} <= {type(error) for error in MADE}
