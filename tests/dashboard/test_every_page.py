"""What holds for every page: without servers it says so, and what others wrote is never read as Markdown."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import alerts, failures, holds
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from tests.dashboard.conftest import HOSTILE, NOBODY_URLS, OpenPage
from tests.dashboard.seen import plain_texts, rendered
from tests.dashboard.test_alerts import fired
from tests.dashboard.test_failures import fail_more

FINGERPRINT = "1111111111111111"
NO_TASK = "0199c0de-0000-7000-8000-000000000000"
PARTS = ("servers", "leader", "hosts", "storage", "settings", "dashboard", "log")  # of the page System
Address = dict[str, str]
# Every page, with the addresses at which it reads something else.
ADDRESSES: dict[str, tuple[Address, ...]] = {
    "overview": ({},),
    "tasks": ({}, {"states": "failed"}, {"tag": HOSTILE, "created_by": HOSTILE}),
    "task": ({"id": NO_TASK},),
    "workflows": ({}, {"workflow": NO_TASK}, {"text": HOSTILE, "name": HOSTILE}, {"workflow": HOSTILE}),
    "submit": ({}, {"type": "diagnostic.echo"}),
    "schedules": ({}, {"find": HOSTILE}, {"schedule": HOSTILE}),
    "queues": ({}, {"queue": "default"}, {"queue": HOSTILE}),
    "agents": ({}, {"agent": "builder"}, {"agent": HOSTILE}),
    "failures": ({}, {"group": FINGERPRINT}),
    "alerts": ({}, {"show": "acknowledged"}, {"show": "silences"}, {"show": "history"}, {"show": "rules"}),
    "learning": ({}, {"types": HOSTILE}, {"show": "order"}),
    "webhooks": ({}, {"show": "deliveries"}),
    "inbox": ({}, {"show": "ended"}, {"question": NO_TASK}),
    "audit": ({}, {"actor": HOSTILE}),
    "reports": ({}, {"part": "written"}),
    "access": ({},),
    "system": tuple({"part": part} for part in PARTS),
}  # fmt: skip
# What needs no server.
SERVERLESS = ("workflow=<script>", "part=written", "part=settings", "part=dashboard", "submit", "access")
RAW = ("<script>", "**bold**", ":red[red]", "![x]")  # each has a backslash before it where it is escaped


def cases() -> list[object]:
    return [
        pytest.param(view, query, id=f"{view} {' '.join(f'{k}={v[:16]}' for k, v in query.items())}".strip())
        for view, queries in ADDRESSES.items()
        for query in queries
    ]


def test_no_page_is_left_out() -> None:
    assert set(ADDRESSES) == set(VIEWS_BY_NAME)


@pytest.mark.parametrize(("view", "query"), cases())
def test_with_servers_away_a_banner_and_no_error(
    open_page: OpenPage, view: str, query: Address, request: pytest.FixtureRequest
) -> None:
    page = open_page(view, query=query, **NOBODY_URLS)

    assert not page.exception
    assert not page.error
    needs_servers = not any(name in request.node.name for name in SERVERLESS)
    assert len(page.warning) == needs_servers
    assert any("PostgreSQL can't be reached" in text for text in plain_texts(page)) is needs_servers
    assert not needs_servers or not page.dataframe


@pytest.mark.parametrize("view", sorted(VIEWS_BY_NAME))
def test_a_server_that_is_away_is_told_in_chinese(open_page: OpenPage, view: str) -> None:
    page = open_page(view, query=ADDRESSES[view][0], locale="zh-CN", **NOBODY_URLS)

    assert not page.exception
    assert any("无法访问 PostgreSQL" in text for text in plain_texts(page)) is (view not in ("submit", "access"))


@pytest.fixture
def written_by_others(loaded: dict[str, str], submitter: Submitter, database: Database) -> dict[str, str]:
    """Texts that would do something as Markdown or HTML, wherever somebody may write one."""
    fail_more(submitter, database, HOSTILE, FINGERPRINT, "permanent")
    alert = fired(database, rule=HOSTILE, subject=HOSTILE, message=HOSTILE)
    with database.transaction() as tx:
        failures.mute(tx, FINGERPRINT, 60, HOSTILE, HOSTILE)
        alerts.acknowledge(tx, alert.id, HOSTILE, HOSTILE)
        alerts.silence(tx, "*", "*", 60, HOSTILE, HOSTILE)
        for kind, name in ((HoldKind.QUEUE, "default"), (HoldKind.QUEUE, HOSTILE), (HoldKind.AGENT, "builder")):
            holds.hold(tx, kind, name, HoldMode.PAUSED, HOSTILE, HOSTILE)
    return loaded


def as_markdown(page: AppTest) -> str:
    """What the page has rendered as Markdown, without what was escaped."""
    titles = [element.value for kind in ("title", "header", "subheader") for element in page.get(kind)]
    labels = [button.label for button in page.button]
    return re.sub(r"\\.", "", "\n".join([rendered(page), *map(str, titles), *labels]))


@pytest.mark.parametrize(("view", "query"), cases())
def test_what_others_wrote_is_no_markdown(
    open_page: OpenPage, written_by_others: dict[str, str], view: str, query: Address
) -> None:
    page = open_page(view, query=query | ({"id": written_by_others["failed"]} if view == "task" else {}))

    assert not page.exception
    markdown = as_markdown(page)
    assert [raw for raw in RAW if raw in markdown] == []
