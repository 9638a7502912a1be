"""Tasks that open in the panel of a page, by buttons of a table or beside it."""

from __future__ import annotations

import pytest

from taskyard.dashboard.components import task_links
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from tests.dashboard.conftest import OpenPage
from tests.dashboard.seen import rendered

PANELS = ("tasks", "workflows", "schedules", "failures", "agents", "audit", "submit", "webhooks", "inbox", "learning")


def test_a_click_opens_the_task_that_was_drawn_there(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(task_links, "open_task", opened.append)
    monkeypatch.setattr("streamlit.session_state", {"clicked": {"row": 7, "label": "b"}, "not": None})

    task_links._open_clicked("clicked", {"a": "id of a", "b": "id of b"})
    task_links._open_clicked("not", {"a": "id of a"})

    assert opened == ["id of b"]


@pytest.mark.parametrize("view", PANELS)
def test_every_page_that_lists_tasks_has_the_panel(open_page: OpenPage, loaded: dict[str, str], view: str) -> None:
    page = open_page(view, query={"task": loaded["failed"], "part": "events"})

    assert not page.exception
    assert page.button(key="close_task")
    assert "Open in full" in str([link.proto.label for link in page.get("page_link")])
    page.button(key="close_task").click().run()
    assert not page.exception
    assert set(page.query_params) & {"task", "part"} == set()
    assert "Open in full" not in rendered(page)


def test_no_other_page_has_it() -> None:
    assert {view.name for view in VIEWS_BY_NAME.values() if "task" in view.parameters} == set(PANELS)


def test_another_task_takes_the_place_on_the_page_of_a_task(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("task", query={"id": loaded["blocked"], "part": "related"})
    page.button(key=f"awaited_{loaded['pending']}").click().run()

    assert not page.exception
    assert page.query_params["id"] == loaded["pending"]
    assert "part" not in page.query_params
