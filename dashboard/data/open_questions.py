"""Reads the open questions, which the sidebar of every page counts."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import Actor
from taskyard.core.config import settings
from taskyard.core.questions.question import Question
from taskyard.core.questions.rules import may_answer
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import questions as view
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import viewer


@seen(ttl_seconds=2.0)
def open_questions(servers: Servers, sight: Actor) -> Sequence[Question]:
    """Returns the open questions that the viewer sees, those that were asked first first."""
    with servers.database.transaction() as tx:
        return view.inbox(tx, sight, settings().auth)


def count_own() -> int:
    """Returns how many open questions wait for the viewer's answer; none while they can't be read."""
    who = viewer()
    return sum(may_answer(one, who) for one in open_questions().value or ())
