"""Replays that viewers of the Learning page start."""

from __future__ import annotations

from contextlib import suppress

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.errors import NotPermitted, SubmissionError
from taskyard.core.postgres.database import Database
from taskyard.core.submission.submit import Submitter
from taskyard.core.views.replay_process import CHILD
from taskyard.dashboard.data import replay_runs
from taskyard.dashboard.data.replay_runs import Choice
from tests.dashboard.conftest import OpenPage, SignIn
from tests.dashboard.seen import rendered, table, words
from tests.made_history import put_history
from tests.made_results import Run, complete
from tests.servers import wait_until

ORDER = {"show": "order"}
DAY = 86_400
WEEK = Choice("", 7 * DAY, "learned")
START, STOP = "learning_replay_start", "learning_replay_stop"


def is_over(choice: Choice) -> bool:
    run = replay_runs.runs().status(choice).run
    return run is not None and run.ended_at is not None


def press(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


def pressed(page: AppTest, choice: Choice) -> AppTest:
    """The page after its replay has ended."""
    page = press(page, START)
    wait_until(lambda: is_over(choice), 60)
    return page.run()


def test_a_replay_shows_record_what_acts_and_the_other_policy(open_page: OpenPage, database: Database) -> None:
    put_history(database, 3_000)
    page = open_page("learning", query={**ORDER, "span": "7d"})
    assert not page.exception
    assert [field.value for field in page.selectbox][:3] == ["", "7d", "learned"]

    page = pressed(page, WEEK)

    assert not page.exception
    shown = table(page, "waits")
    assert list(shown["waits"]) == ["recorded", "what acts, replayed", "learned, replayed"]
    assert words(page, "mean")[2].endswith("%)")
    assert " attempts from " in rendered(page)
    assert "are not to be trusted" in rendered(page)  # those that are urgent: the record knew no priorities
    parts = table(page, "priority")
    assert list(parts["priority"]) == 3 * ["urgent"] + 3 * ["medium"]

    other = open_page("learning", query={**ORDER, "span": "7d"})  # another viewer shares it
    assert list(table(other, "waits")["waits"]) == list(shown["waits"])
    acting = Choice("default", 7 * DAY, "least_loaded")
    page = open_page("learning", query={**ORDER, "span": "7d", "policy": "least_loaded", "queue": "default"})
    assert not page.dataframe
    page = pressed(page, acting)
    assert list(table(page, "waits")["waits"]) == ["recorded", "what acts, replayed"]
    assert "This is the policy that acts" in rendered(page)


def test_without_a_record_and_with_one_in_which_nothing_waited(
    open_page: OpenPage, submitter: Submitter, database: Database
) -> None:
    complete(submitter, database, [Run("mail.send", 0.0, 1.0, 0.5, 2.0)])
    page = open_page("learning", query={**ORDER, "queue": "none-such"})
    page = pressed(page, Choice("none-such", DAY, "learned"))
    assert not page.exception
    assert r"No attempt of queue none\-such ended from" in rendered(page)
    assert ", only of other queues." in rendered(page)

    page = pressed(open_page("learning", query=ORDER), Choice("", DAY, "learned"))
    assert not page.exception
    assert "Nothing waited for a second: no policy can gain anything." in rendered(page)


def test_without_any_record_it_does_not_speak_of_other_queues(open_page: OpenPage, database: Database) -> None:
    page = pressed(open_page("learning", query={**ORDER, "queue": "never-was"}), Choice("never-was", DAY, "learned"))
    assert not page.exception
    assert "No attempt ended from" in rendered(page)


def test_one_at_a_time_with_progress_until_somebody_stops_it(open_page: OpenPage, database: Database) -> None:
    put_history(database, 3_000)
    page = open_page("learning", query={**ORDER, "span": "7d"})
    page = press(page, START)
    assert not page.exception
    assert "Replaying" in page.get("progress")[0].proto.text
    [child] = [one for one in psutil.Process().children(recursive=True) if CHILD in one.cmdline()]
    child.suspend()  # a busy machine may take longer to open a page than to replay this
    other = open_page("learning", query={**ORDER, "span": "6h"})
    assert other.button(key=START).disabled
    with pytest.raises(SubmissionError, match="one at a time"):
        replay_runs.start(Choice("", 21_600, "learned"))
    replay_runs.start(WEEK)  # the same one goes on
    page = press(page, STOP)
    with suppress(psutil.NoSuchProcess):
        child.resume()
    wait_until(lambda: is_over(WEEK), 10)
    page = page.run()
    assert "The replay was stopped." in rendered(page)
    assert page.button(key=START).label == "Replay again"


def test_what_ends_it_is_told(open_page: OpenPage, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.core.views.replay_process.CHILD", "taskyard.no_such_module")
    page = pressed(open_page("learning", query=ORDER), Choice("", DAY, "learned"))
    assert not page.exception
    assert "the replay ended without a result" in page.error[0].value


def test_those_whose_role_is_narrowed_may_not(open_page: OpenPage, sign_in: SignIn, database: Database) -> None:
    put_history(database, 100)
    for narrowing in ({"queues": ("default",)}, {"types": ("g1",)}):
        sign_in("operator", **narrowing)
        page = open_page("learning", query=ORDER)
        assert not page.exception
        assert not [one for one in page.button if one.key == START]
        assert any("queue" in info.value or "type" in info.value for info in page.info)
        with pytest.raises(NotPermitted):
            replay_runs.start(WEEK)
        with pytest.raises(NotPermitted):
            replay_runs.status(WEEK)
        with pytest.raises(NotPermitted):
            replay_runs.stop(WEEK)
    sign_in("viewer")
    assert [one for one in open_page("learning", query=ORDER).button if one.key == START]
