"""The Agents page: who is there, how each does, and what can be seen of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.message_templates import IdentifiedText, identity
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import holds, recovery
from taskyard.core.protocol_presence import SeatComing, SeatHere, SeatsReport
from taskyard.core.redis.cache import RedisCache
from taskyard.core.scheduling.breaker import FAILING
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.submit import Submitter
from taskyard.core.telemetry.live_snapshot import AgentLive, OpenBreaker, RunningTask, write_live
from taskyard.core.telemetry.timeline import Span, Step
from taskyard.core.views.timeline import Timeline
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.pages.agents.steps_chart import steps_spec
from taskyard.worker.monitor.rollup import RollUp
from tests.dashboard.conftest import AGENT_ID, HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.seen import plain_texts, rendered, table, words
from tests.dashboard.snapshots import agent, snapshot
from tests.outages import database_away


def names(page: AppTest) -> list[str]:
    """The agents whose cards are shown."""
    keys = (block.key for block in page.get("menu_button"))
    return [key.removeprefix("act_") for key in keys if key and key.startswith("act_")]


def links(page: AppTest) -> list[tuple[str, str]]:
    """(label, query) of the links."""
    return [(link.value, link.proto.query_string) for link in page.get("page_link")]


def bars(page: AppTest) -> list[str]:
    return [bar.proto.text for bar in page.get("progress")]


def named(reason: IdentifiedText) -> dict[str, Any]:
    """The fields that a breaker's reason fills beside its text."""
    return dict(zip(("reason_id", "reason_parameters"), identity(reason), strict=True))


def lead(cache: RedisCache, agents: Sequence[AgentLive]) -> None:
    """What a leader would see."""
    write_live(cache, snapshot(agents=agents))


def test_a_card_says_how_an_agent_does_and_what_it_runs(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    RollUp(database).run(lambda: True)
    lead(cache, [agent(tasks=[RunningTask(loaded["running"], 1, "diagnostic.echo", time.time() - 90)])])

    page = open_page("agents")

    assert not page.exception
    assert not page.warning
    assert names(page) == ["builder"]
    assert bars(page) == ["1 of 3 slots in use"]
    shown = rendered(page)
    assert "task on here, process 1" in shown.replace("\\", "")
    assert "**50.0%**" in shown  # one of two attempts
    assert "**50 MiB**" in shown
    assert "Heartbeat just now" in shown
    [run] = [button for button in page.button if button.label.startswith("diagnostic")]
    assert "for 1 min 30 s" in run.label
    run.click().run()
    assert page.query_params["task"] == loaded["running"]


def test_what_is_not_as_usual_is_said(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    now = time.time()
    lead(
        cache,
        [
            replace(
                agent(),
                heartbeat_at=now - 30.1,
                breakers=[
                    OpenBreaker("code.run", "open", "5 of 5 attempts failed", now - 20.1, now + 40.9),
                    OpenBreaker("code.lint", "probing", "", now, None),
                ],
            )
        ],
    )

    page = open_page("agents")

    assert not page.exception
    shown = rendered(page).replace("\\", "")
    assert "silent" in shown
    assert "Heartbeat 30 s ago" in shown
    assert "Circuit breaker open for code.run (20 s); probe in 40 s:] 5 of 5 attempts failed" in shown
    assert "Probing code.lint with one task" in shown


def test_why_a_breaker_is_open_is_said_in_the_viewer_s_language(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache
) -> None:
    now = time.time()
    reason = FAILING(failures=5, classes="crashed", successes=4, others=6)
    old = OpenBreaker("code.run", "open", str(reason), now - 20.1, None)
    lead(cache, [replace(agent(), breakers=[old, replace(old, type="code.lint", **named(reason))])])

    page = open_page("agents", locale="zh-CN")

    assert not page.exception
    shown = rendered(page).replace("\\", "")
    assert f":] {reason}" in shown  # of a leader of an older release
    assert "最近 5 次尝试均失败" in shown


@pytest.mark.parametrize("mode", list(HoldMode))
def test_a_hold_is_shown_with_who_and_why_before_the_leader_acts(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database, mode: HoldMode
) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.AGENT, "builder", mode, HOSTILE, "a new kernel")
    lead(cache, [agent()])

    page = open_page("agents")

    assert not page.exception
    assert mode.value in rendered(page)
    assert "a new kernel" in rendered(page)
    assert "Takes effect within a second." in rendered(page)
    assert "<script>" not in rendered(page)
    assert "**bold**" not in rendered(page)

    lead(cache, [agent(state=mode.value, running=2)])
    refreshed(page)

    assert "Takes effect within a second." not in rendered(page)
    assert ("2 tasks still running." in rendered(page)) == (mode is HoldMode.DRAINING)


def test_the_table_has_a_row_and_a_menu_for_each(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.AGENT, "builder", HoldMode.PAUSED, "me", "=1+1")
    lead(cache, [agent(running=3), agent("=other", running=1, slots=4)])

    page = open_page("agents", query={"view": "table"})

    assert not page.exception
    rows = table(page, "Slots")
    assert list(rows["Agent"]) == ["'=other", "builder"]
    assert list(rows["Slots"]) == [1, 3]  # by which it sorts
    assert words(page, "Slots") == ["1 / 4", "3 / 3"]
    assert [[text.split(": ")[1] for text in cell] for cell in rows["Act"]] == [
        ["Details", "Pause", "Drain", "Restart"],
        ["Details", "Resume", "Drain", "Restart"],
    ]
    assert "=1+1" in rows["Held"][1]


def test_many_are_found_sorted_and_paged(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    others = [agent(f"a{n:03}", running=n % 3) for n in range(199)]
    lead(cache, [*others, replace(agent("gpu"), types=["analysis.*"], tags=["cuda"], state="draining")])

    page = open_page("agents")
    assert not page.exception
    assert len(names(page)) == 12
    page.pagination(key="agents_page").select(17).run()
    assert names(page) == ["a192", "a193", "a194", "a195", "a196", "a197", "a198", "gpu"]

    page = open_page("agents", query={"view": "table"})
    page.pagination(key="agents_table_page").select(2).run()
    assert len(table(page, "Agent")) == 100

    assert names(open_page("agents", query={"find": "CUDA"})) == ["gpu"]
    assert names(open_page("agents", query={"state": "draining"})) == ["gpu"]
    assert names(open_page("agents", query={"type": "analysis.profile"})) == ["gpu"]
    assert names(open_page("agents", query={"sort": "load"}))[0] == "a002"
    assert "No agent matches the filter." in rendered(open_page("agents", query={"find": "nobody"}))


def test_one_agent_is_shown_over_time(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    RollUp(database).run(lambda: True)
    lead(cache, [agent(tasks=[RunningTask(loaded["running"], 1, "diagnostic.echo", time.time() - 90)])])

    page = open_page("agents", query={"agent": "builder"})

    assert not page.exception
    assert page.title[0].value == "builder"
    assert page.query_params["agent"] == "builder"
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Slots in use"] == "1 / 3"
    assert figures["Success"] == "50.0%"
    assert list(table(page, "For")["Task"]) == [shortened_id(loaded["running"])]
    assert list(table(page, "Attempts")["Type"]) == ["diagnostic.echo"]
    assert len(page.get("plotly_chart")) == 4
    assert any(AGENT_ID in text for text in plain_texts(page))


def test_the_way_back_leads_to_all_of_them(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache, [agent()])
    page = open_page("agents", query={"agent": "builder", "sort": "load"})

    page.button(key="agents_back").click().run()

    assert not page.exception
    assert page.title[0].value == "Agents"
    assert page.query_params["sort"] == "load"
    assert "agent" not in page.query_params


def test_an_agent_that_nobody_knows(open_page: OpenPage, loaded: dict[str, str], cache: RedisCache) -> None:
    lead(cache, [agent()])

    page = open_page("agents", query={"agent": HOSTILE})

    assert not page.exception
    assert "No agent with this name is running now." in rendered(page)
    assert "<script>" not in rendered(page)
    assert "<script>" not in page.title[0].value.replace("\\<", "")


def test_what_was_run_is_drawn_and_listed(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    lead(cache, [agent(tasks=[RunningTask(loaded["running"], 1, "diagnostic.echo", time.time() - 90)])])
    page = open_page("agents", query={"minutes": "5"})
    page.session_state["agents_timeline_table_open"] = True
    page.run()

    assert not page.exception
    assert "**2 attempts**" in rendered(page)
    rows = table(page, "Outcome")
    assert sorted(cell[0] for cell in rows["Outcome"]) == ["completed", "in progress"]
    assert {shortened_id(loaded[name]) for name in ("running", "completed")} == set(rows["Task"])


def test_how_each_did_with_each_type(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    RollUp(database).run(lambda: True)
    lead(cache, [agent()])
    page = open_page("agents")
    page.session_state["agents_by_type_open"] = True
    page.run()

    assert not page.exception
    [row] = table(page, "Attempts").to_dict("records")
    assert (row["Agent"], row["Type"], row["Success"], row["Attempts"]) == ("builder", "diagnostic.echo", 50.0, 2)


def ran(database: Database, name: str, seconds: float, count: int, event: str = "completed") -> None:
    """Attempts of `diagnostic.sleep` that ended in the last hours, one a minute."""
    with database.transaction() as tx:
        tx.rows(
            "INSERT INTO task_events (task_id, at, event, actor, agent_id, queue, type, wait_seconds, run_seconds)"
            " SELECT gen_random_uuid(), now() - n * interval '1 minute', %(event)s, 'test', %(agent)s, 'default',"
            " 'diagnostic.sleep', 0.1, %(seconds)s FROM generate_series(1, %(count)s) n",
            {"event": event, "agent": f"{name}:b1", "seconds": seconds, "count": count},
        )


@pytest.fixture
def uneven(database: Database, cache: RedisCache, submitter: Submitter) -> None:
    """Three agents, one of which is slower than the others, and fails."""
    for name, seconds, count in (("builder", 1.0, 100), ("crawler", 2.1, 90), ("dozer", 1.0, 100)):
        ran(database, name, seconds, count)
    ran(database, "crawler", 2.1, 5, "failed")
    RollUp(database).run(lambda: True)
    lead(cache, [agent(name) for name in ("builder", "crawler", "dozer")])


@pytest.mark.usefixtures("uneven")
def test_which_agent_is_slow_is_seen_without_a_click(open_page: OpenPage) -> None:
    page = open_page("agents")

    assert not page.exception
    shown = rendered(page).replace("\\", "")
    marks = [mark for mark in shown.split("\n") if "slower at" in mark]
    assert len(marks) >= 1
    assert all("2.2× slower at diagnostic.sleep" in mark for mark in marks)
    [(label, query)] = [link for link in links(page) if "slower" in link[0]]
    assert label.replace("\\", "") == ":orange[crawler: 2.2× slower at diagnostic.sleep]"
    assert query == "agent=crawler"

    page = open_page("agents", query={"view": "table", "sort": "slow"})
    rows = table(page, "Slots")
    assert list(rows["Agent"]) == ["crawler", "builder", "dozer"]
    assert words(page, "Slower") == ["2.2× slower at diagnostic.sleep", "", ""]


@pytest.mark.usefixtures("uneven")
def test_an_agent_is_compared_by_type_and_its_whole_range_is_drawn(open_page: OpenPage) -> None:
    page = open_page("agents", query={"agent": "crawler", "range": "24h"})

    assert not page.exception
    shown = rendered(page)
    assert "2.2× slower at diagnostic" in shown
    [row] = table(page, "Compared").to_dict("records")
    assert (row["Type"], row["Attempts"], words(page, "Compared")) == ("diagnostic.sleep", 95, ["2.2× slower"])
    assert [words(page, name) for name in ("P50", "OthersP50")] == [["2.12 s"], ["0.95 s"]]  # to 5 %
    assert "**95 attempts**" in shown
    assert "Each bar is what ended within 10 min" in shown

    other = open_page("agents", query={"agent": "builder", "range": "24h"})
    assert "slower" not in rendered(other)
    assert words(other, "Compared") == ["similar"]


@pytest.mark.usefixtures("uneven")
def test_roles_narrowed_to_queues_see_no_comparison_but_their_own_steps(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("operator", queues=("default",))
    page = open_page("agents")
    assert "slower" not in rendered(page)
    assert "**295 attempts**" in rendered(page)

    sign_in("operator", queues=("other",))
    page = open_page("agents")
    assert "slower" not in rendered(page)
    assert "**0 attempts**" in rendered(page)


def test_steps_are_what_plotly_accepts() -> None:
    running = Span("a", 0, "t1", 1, "x.<b>", 900.0, 1_000.0, "running")
    steps = [Step("a", 0.0, 3, 1, 60.0), Step("a <i>", 600.0, 0, 2, 6.0)]
    timeline = Timeline(100.0, 1_000.0, 500.0, [running], 6, True, 600, steps, {"a <i>": ["here", "there"]})

    figure = go.Figure(steps_spec(timeline, ["a", "a <i>", "idle"]))

    completed, failed, runs = figure.data
    assert list(figure.layout.yaxis.categoryarray) == ["a", "a &lt;i&gt; @ here, there", "idle"]
    assert (list(completed.y), list(failed.y)) == (list(figure.layout.yaxis.categoryarray[:2]),) * 2
    assert completed.width[0] > completed.width[1] == failed.width[1]
    assert failed.width[0] == pytest.approx(completed.width[0] / 4)
    assert completed.x[1] < completed.x[0]  # the second step is not over
    assert runs.customdata[0][0] == "x.&lt;b&gt;"


def test_without_agents_it_says_how_to_start_one(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    lead(cache, [])

    page = open_page("agents")

    assert not page.exception
    assert "taskyard run" in plain_texts(page)


def test_without_a_leader_it_shows_what_postgresql_knows(open_page: OpenPage, loaded: dict[str, str]) -> None:
    page = open_page("agents")

    assert not page.exception
    assert len(page.warning) == 1
    assert names(page) == ["builder"]
    assert bars(page) == []
    assert "3 slots" in rendered(page)
    assert "online" in rendered(page)


def test_a_server_lost_later_leaves_what_was_known(
    open_page: OpenPage, loaded: dict[str, str], settings: Settings, cache: RedisCache, server_endpoints: Endpoints
) -> None:
    lead(cache, [agent(running=2)])
    page = open_page("agents")
    with database_away(settings.database_url, server_endpoints.database_url):
        refreshed(page)

        assert not page.exception
        assert "Data as of" in page.warning[0].value
        assert bars(page) == ["2 of 3 slots in use"]


def test_without_a_history_it_says_so(open_page: OpenPage, submitter: Submitter, cache: RedisCache) -> None:
    lead(cache, [agent()])
    page = open_page("agents")
    page.session_state["agents_gone_open"] = page.session_state["agents_by_type_open"] = True
    page.run()

    assert not page.exception
    assert not page.dataframe
    assert "No agent left or was lost" in rendered(page)
    assert "No attempts in this period." in rendered(page)
    assert "**0 attempts**" in rendered(page)


def test_those_that_left_are_listed(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache, database: Database
) -> None:
    with database.transaction() as tx:
        recovery.end_agents(tx, [(AGENT_ID, "lost")])
    lead(cache, [])
    page = open_page("agents")
    page.session_state["agents_gone_open"] = True
    page.run()

    assert not page.exception
    rows = table(page, "Boot")
    assert list(rows["Agent"]) == ["builder"]
    assert list(rows["State"]) == [["lost"]]


def test_a_name_that_two_pools_use_is_said_on_its_card(open_page: OpenPage, cache: RedisCache) -> None:
    other = replace(agent(), id="builder:b2", host="there", pid=7)
    write_live(cache, snapshot(agents=[agent(), other]))

    page = open_page("agents")

    assert not page.exception
    assert "2 processes use this name: a hold or restart affects all of them." in rendered(page)
    assert "**builder \\@ here, there**" in [label for label, _query in links(page)]
    assert list(table(open_page("agents", query={"view": "table"}), "Slots")["Agent"]) == ["builder @ here, there"]
    assert open_page("agents", query={"agent": "builder"}).title[0].value == "builder \\@ here, there"
    page = open_page("agents")

    write_live(cache, snapshot(agents=[agent()]))
    assert "use this name" not in rendered(refreshed(page))
    assert "@" not in "".join(label for label, _query in links(page))


def test_seats_of_an_agent_with_an_engine_are_shown_and_why_one_is_not_coming(
    open_page: OpenPage, loaded: dict[str, str], cache: RedisCache
) -> None:
    here = [SeatHere("5c393661b0df", "node-1", loaded["running"], 1), SeatHere("70a1b2c3d4e5", "node-2")]
    seats = SeatsReport("ray", here, [SeatComing("0f1e2d3c4b5a", 12.0, HOSTILE)], 1)
    lead(cache, [replace(agent(), seats=seats)])

    page = open_page("agents")

    assert not page.exception
    shown = rendered(page).replace("\\", "")
    assert "ray: 2 seats on 2 nodes" in shown
    assert "1 task waits for a seat:]" in shown

    page = open_page("agents", query={"agent": "builder"})

    assert not page.exception
    assert "2 seats on 2 nodes" in rendered(page)
    assert list(table(page, "Node")["Node"]) == ["node-1", "node-2"]
    assert list(table(page, "Why")["Why"]) == [HOSTILE]
