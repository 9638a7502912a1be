"""Pausing, draining, resuming and restarting from the pages: what is asked, what is done, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.cache import RedisCache
from taskyard.core.redis.connection import connect_redis
from taskyard.core.scheduling.holds import Hold, HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import write_live
from taskyard.dashboard.components.hold_controls import PENDING_KEY, Wanted, dialog_name
from taskyard.dashboard.data.controls import Action
from tests.dashboard.conftest import AGENT_ID, OpenPage
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, rendered, texts
from tests.dashboard.snapshots import agent, snapshot
from tests.outages import database_away

EVENTS = {Action.PAUSE: "paused", Action.DRAIN: "draining", Action.RESUME: "resumed", Action.RESTART: "agent_restarted"}


@pytest.fixture
def led(cache: RedisCache, loaded: dict[str, str]) -> RedisCache:
    """An installation with an agent, a queue and a leader."""
    write_live(cache, snapshot(agents=[agent()], urgent=1))
    return cache


def hold_of(database: Database, kind: HoldKind, name: str) -> Hold | None:
    with database.transaction() as tx:
        return holds.holds(tx).by_name.get((kind, name))


def asks(page: AppTest, kind: HoldKind, action: Action, *names: str) -> Callable[[], None]:
    """What an entry of a menu does."""
    return lambda: page.session_state.__setitem__(PENDING_KEY, Wanted(kind, action, names))


def act(page: AppTest, kind: HoldKind, action: Action, *names: str, reason: str) -> AppTest:
    """The page after it was asked for and the reason was given."""
    return answered(page, dialog_name(Wanted(kind, action, names)), asks(page, kind, action, *names), reason)


@pytest.mark.parametrize(
    ("view", "kind", "name", "menu"),
    [
        ("agents", HoldKind.AGENT, "builder", "act_builder"),
        ("queues", HoldKind.QUEUE, "default", "act_default"),
    ],
)
def test_a_menu_asks_before_anything_is_done(
    open_page: OpenPage, led: RedisCache, database: Database, view: str, kind: HoldKind, name: str, menu: str
) -> None:
    page = open_page(view)

    page.menu_button(key=menu).click(Action.PAUSE).run()

    assert not page.exception
    assert page.button(key=f"ask_send_{dialog_name(Wanted(kind, Action.PAUSE, (name,)))}")
    assert name in texts(page)
    assert hold_of(database, kind, name) is None


@pytest.mark.parametrize(
    ("view", "kind", "name"),
    [
        ("agents", HoldKind.AGENT, "builder"),
        ("queues", HoldKind.QUEUE, "default"),
        ("queues", HoldKind.TYPE, "diagnostic.echo"),
    ],
)
def test_holding_and_letting_go(
    open_page: OpenPage, led: RedisCache, database: Database, view: str, kind: HoldKind, name: str
) -> None:
    page = open_page(view)

    for action, mode in ((Action.PAUSE, HoldMode.PAUSED), (Action.DRAIN, HoldMode.DRAINING)):
        act(page, kind, action, name, reason=f"why {action}")

        assert not page.exception
        hold = hold_of(database, kind, name)
        assert hold is not None
        assert (hold.mode, hold.reason) == (mode, f"why {action}")
        assert hold.actor.startswith("dashboard@")
        assert f"why {action}" in rendered(page)  # at once, whatever the snapshot says
        [event] = audited(database, EVENTS[action])
        assert (event.actor, event.detail) == (
            hold.actor,
            {"kind": kind.value, "name": name, "reason": f"why {action}"},
        )

    act(page, kind, Action.RESUME, name, reason="")

    assert not page.exception
    assert hold_of(database, kind, name) is None
    [event] = audited(database, "resumed")
    assert event.detail is not None
    assert event.detail["was"] == "draining"
    assert [toast.value for toast in page.toast] == [f"Resumed: {name}".replace(".", "\\.")]

    act(page, kind, Action.RESUME, name, reason="")
    assert [toast.value for toast in page.toast] == ["No change: already in that state"]
    assert len(audited(database, "resumed")) == 1


def test_a_restart_is_ordered_and_shown_until_it_is_done(
    open_page: OpenPage, led: RedisCache, database: Database, settings: Settings
) -> None:
    page = open_page("agents")

    act(page, HoldKind.AGENT, Action.RESTART, "builder", reason="it leaks")

    assert not page.exception
    [event] = audited(database, "agent_restarted")
    assert event.detail == {"name": "builder", "boots": [AGENT_ID], "reason": "it leaks"}
    shown = rendered(page).replace("\\", "")
    assert "Draining, then restarts" in shown
    assert "it leaks" in shown
    assert [toast.value for toast in page.toast] == ["Draining, then restarting: builder"]
    with connect_redis(settings.redis_url or "") as client:
        assert Broker(client, settings.namespace, settings.placement_of).leftovers()["inbox entries"] == 1


def test_all_that_fit_the_filter_are_held_together(
    open_page: OpenPage, led: RedisCache, database: Database, submitter: Submitter
) -> None:
    submitter.submit("diagnostic.noop", queue="reports")
    write_live(led, snapshot(urgent=1, queue="reports"))
    page = open_page("queues")
    page.menu_button(key="queues_bulk").click(Action.PAUSE).run()
    assert not page.exception

    act(page, HoldKind.QUEUE, Action.PAUSE, "default", "reports", reason="maintenance")

    assert hold_of(database, HoldKind.QUEUE, "default") is not None
    assert hold_of(database, HoldKind.QUEUE, "reports") is not None
    assert len(audited(database, "paused")) == 2


def test_a_task_type_is_chosen_and_held(open_page: OpenPage, led: RedisCache, database: Database) -> None:
    page = open_page("queues")
    assert page.button(key="queues_type_pause").disabled

    page.selectbox(key="queues_type").set_value("diagnostic.echo").run()
    page.button(key="queues_type_pause").click().run()

    assert not page.exception
    wanted = Wanted(HoldKind.TYPE, Action.PAUSE, ("diagnostic.echo",))
    assert page.button(key=f"ask_send_{dialog_name(wanted)}")


@pytest.mark.parametrize("action", [Action.PAUSE, Action.DRAIN, Action.RESTART])
def test_a_reason_is_needed(open_page: OpenPage, led: RedisCache, database: Database, action: Action) -> None:
    page = open_page("agents")

    act(page, HoldKind.AGENT, action, "builder", reason="  ")

    assert [error.value for error in page.error] == ["Enter a reason"]
    assert hold_of(database, HoldKind.AGENT, "builder") is None
    assert audited(database, EVENTS[action]) == []


@pytest.mark.parametrize("action", [Action.PAUSE, Action.RESTART])
def test_what_is_refused_is_explained(open_page: OpenPage, led: RedisCache, database: Database, action: Action) -> None:
    page = open_page("agents")

    act(page, HoldKind.AGENT, action, "**nobody**", reason="a try")

    [error] = page.error
    assert "the name of an agent" in error.value
    assert "**nobody**" not in error.value
    assert not page.exception
    wanted = Wanted(HoldKind.AGENT, action, ("**nobody**",))
    assert page.text_input(key=f"ask_reason_{dialog_name(wanted)}").value == "a try"
    assert audited(database, EVENTS[action]) == []


def test_with_the_database_away_nothing_is_lost_silently(
    open_page: OpenPage, led: RedisCache, settings: Settings, server_endpoints: Endpoints
) -> None:
    page = open_page("queues")
    with database_away(settings.database_url, server_endpoints.database_url):
        act(page, HoldKind.QUEUE, Action.PAUSE, "default", reason="a try")

        assert not page.exception
        assert any("PostgreSQL can't be reached" in error.value.replace("\\", "") for error in page.error)


def clickable() -> None:
    """A page with a column of menus, and buttons that do what clicks in it do: AppTest can't click in a table."""
    import streamlit as st

    from taskyard.core.scheduling.holds import HoldKind
    from taskyard.dashboard.components.hold_controls import PENDING_KEY, act_column

    column, cells = act_column(
        HoldKind.QUEUE, [("default", None), ("reports", None)], lambda name: st.text(f"opened {name}"), key="click"
    )
    for place, text in enumerate(cells[1]):
        if st.button(str(place)):
            st.session_state["click"] = {"row": 1, "label": text}
            column.on_click()
    st.text(str(st.session_state.get(PENDING_KEY)))


def test_a_row_of_a_table_has_the_same_menu() -> None:
    page = AppTest.from_function(clickable).run()
    assert [button.label for button in page.button] == ["0", "1", "2"]

    page.button[0].click().run()
    assert not page.exception
    assert "opened reports" in [text.value for text in page.text]

    page.button[2].click().run()
    assert not page.exception
    assert page.session_state[PENDING_KEY] == Wanted(HoldKind.QUEUE, Action.DRAIN, ("reports",))
