"""Hourly comparisons of policies on the Learning page."""

from __future__ import annotations

from typing import Any

import orjson
from streamlit.testing.v1 import AppTest

from taskyard.core.postgres.database import Database
from taskyard.dashboard.data import base
from taskyard.dashboard.pages.learning import comparisons_data
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.seen import output, rendered, table, words
from tests.made_comparisons import compared, store

OWN_QUEUE, OTHER_QUEUE = "reports", "foreign-queue"
ORDER = {"show": "order"}


def charts(page: AppTest) -> dict[str, Any]:
    """Plotly's JSON by what the charts are of."""
    found = {}
    for element in page.get("plotly_chart"):
        for name in ("mean", "p99"):
            if f"learning_comparisons_{name}" in element.proto.id:
                found[name] = orjson.loads(element.proto.spec)
    return found


def test_without_any_it_says_whose_are_made(open_page: OpenPage) -> None:
    page = open_page("learning", query=ORDER)
    assert not page.exception
    assert "No policies were compared in this time range." in rendered(page)
    assert not charts(page)


def test_the_last_of_each_queue_and_those_of_one_over_time(open_page: OpenPage, database: Database) -> None:
    store(
        database,
        [
            compared(OWN_QUEUE, 60.0, 3.5),
            compared(OWN_QUEUE, 80.0, 2.5, is_trusted=False),
            compared(OWN_QUEUE, 90.0, 0.5),
            compared(OTHER_QUEUE, 0.1, 0.5, has_waited=False, tasks=9),
            compared("long-ago", 60.0, 24 * 40),
        ],
    )

    page = open_page("learning", query=ORDER)

    assert not page.exception
    rows = table(page, "mean_change").to_dict("records")
    assert [(row["queue"], row["tasks"], row["note"]) for row in rows] == [
        (OWN_QUEUE, 500, ""),
        (OTHER_QUEUE, 9, "nothing waited for a second"),
    ]
    assert words(page, "mean") == ["1 min 30 s", "0.10 s"]
    assert words(page, "mean_change") == ["−50%", ""]
    shown = charts(page)
    assert shown["mean"]["data"][0]["y"] == [60, 80, 90]
    assert shown["p99"]["data"][2]["y"] == [150, 200, 225]
    assert shown["mean"]["data"][-1]["y"] == [None, 40, None]
    assert "1 is not to be trusted" in rendered(page)

    page = open_page("learning", query={**ORDER, "compared": OTHER_QUEUE, "range": "1h"})
    assert charts(page)["mean"]["data"][0]["y"] == [0.1]
    assert "in 1 of them: no policy can gain anything" in rendered(page)

    page = open_page("learning", query={**ORDER, "compared": "long-ago", "range": "90d"})
    assert len(table(page, "mean_change")) == 3
    assert charts(page)["mean"]["data"][0]["y"] == [60]


def test_those_of_some_queues_see_these_and_those_of_some_types_none(
    open_page: OpenPage, sign_in: SignIn, database: Database
) -> None:
    store(database, [compared(OWN_QUEUE), compared(OTHER_QUEUE)])
    sign_in("operator", queues=(OWN_QUEUE,))
    page = open_page("learning", query={**ORDER, "compared": OTHER_QUEUE})
    assert not page.exception
    assert list(table(page, "mean_change")["queue"]) == [OWN_QUEUE]
    assert not charts(page)
    found = comparisons_data.comparisons(86_400, OTHER_QUEUE).value
    assert found is not None
    assert found.of_queue == ()

    sign_in("operator", types=("mail.send",))
    base.forget()
    page = open_page("learning", query=ORDER)
    assert not page.exception
    assert OWN_QUEUE not in output(page)
    assert comparisons_data.compared_queues(86_400) == []


def test_queues_of_others_are_shown_as_they_are(open_page: OpenPage, database: Database) -> None:
    store(database, [compared(HOSTILE)])

    page = open_page("learning", query=ORDER)

    assert not page.exception
    assert list(table(page, "mean_change")["queue"]) == [HOSTILE]
    assert "<script>" not in rendered(refreshed(page))
