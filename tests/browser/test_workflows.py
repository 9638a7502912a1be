"""The graph of a workflow in a browser: clicks lead to tasks, the zoom stays, and all of it is reached by keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.core.workflows.checked import Submitted
from taskyard.core.workflows.making import task
from tests.browser.charts import click_at
from tests.browser.conftest import SCREENSHOTS, Watched, open_page
from tests.browser.dashboards import Dashboard
from tests.browser.screenshots import PHONE, SIZES
from tests.browser.test_list import settled
from tests.made_workflows import ids_of, move, submit

SCREEN = {"width": 1440, "height": 900}
CHART = ".st-key-workflow_figure .js-plotly-plot"
# The middle of the shape whose text begins with a name.
PLACE = """(name) => {
    const chart = document.querySelector('.st-key-workflow_figure .js-plotly-plot');
    const shapes = chart?._fullData?.find((one) => one.text);
    const at = shapes?.text.findIndex((text) => text.startsWith(`<b>${name}</b>`)) ?? -1;
    if (at < 0) return null;
    const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect();
    const x = xaxis.c2p(shapes.base[at] + shapes.x[at] / 2), y = yaxis.c2p(shapes.y[at]);
    return [box.left + xaxis._offset + x, box.top + yaxis._offset + y];
}"""
# While a refresh draws the chart anew there is none for a moment.
RANGE = f"""() => {{
    const axis = document.querySelector('{CHART}')?._fullLayout?.xaxis;
    return axis && axis.range[1] - axis.range[0];
}}"""
TEXTS = f"() => document.querySelector('{CHART}')?._fullData.find((one) => one.text)?.text.join() ?? ''"


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database_url or "")
    yield database
    database.close()


@pytest.fixture
def workflow(settings: Settings, database: Database) -> Submitted:
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    made = submit(submitter, 12, title="Report of the week")
    pages = ids_of(made, "pages")
    move(database, made, {"completed": ids_of(made, "extract"), "in_progress": pages[:3], "pending": pages[3:]})
    return made


def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")


def test_a_click_on_a_shape_leads_to_its_task_or_its_tasks(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], workflow: Submitted
) -> None:
    page = open_page(browser, watched, dashboard.url, f"/workflows?workflow={workflow.id}", viewport=SCREEN)
    settled(page)
    start = page.url

    click_at(page, CHART, PLACE, "extract")
    expect(page).to_have_url(re.compile(f"task={workflow.tasks['extract']}"))
    panel = page.locator(".st-key-task_panel")
    expect(panel.get_by_role("link", name="Open in full")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page).to_have_url(start)

    click_at(page, CHART, PLACE, "pages")
    expect(page).to_have_url(re.compile(f"view=tasks&stack={ids_of(workflow, 'pages')[0]}"))
    expect(page.get_by_role("button", name="Only pages: 12 tasks")).to_be_visible()
    page.go_back()
    expect(page.locator(CHART)).to_be_visible()
    expect(page).to_have_url(start)


def test_the_zoom_stays_when_the_graph_is_refreshed(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], database: Database, workflow: Submitted
) -> None:
    page = open_page(browser, watched, dashboard.url, f"/workflows?workflow={workflow.id}", viewport=SCREEN)
    page.wait_for_function(PLACE, arg="extract")
    settled(page)
    whole = page.evaluate(RANGE)
    page.get_by_role("button", name="zoom_in").click()
    page.wait_for_function(f"(whole) => ({RANGE})() < whole / 1.4", arg=whole)
    page.locator("h1").click()  # what follows is not typed into anything
    page.keyboard.press("+")
    page.wait_for_function(f"(whole) => ({RANGE})() < whole / 2", arg=whole)

    pages = ids_of(workflow, "pages")
    move(database, workflow, {"completed": pages[:3], "failed": pages[3:4]})
    page.wait_for_function(f"() => ({TEXTS})().includes('3 of 12 · 1 failed')")
    settled(page)
    page.wait_for_function(f"(whole) => ({RANGE})() < whole / 2", arg=whole)  # if it is drawn in another element

    page.keyboard.press("=")
    page.wait_for_function(f"(whole) => Math.abs(({RANGE})() - whole) < 0.01", arg=whole)


@pytest.mark.slow
def test_a_workflow_is_found_and_opened_by_keys(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], workflow: Submitted
) -> None:
    page = open_page(browser, watched, dashboard.url, "/workflows", viewport=SCREEN)
    table = page.locator(".st-key-workflows_table canvas").first
    expect(table).to_be_visible()
    settled(page)
    page.wait_for_timeout(500)  # the table is drawn later
    page.keyboard.press("j")
    page.wait_for_timeout(300)  # as fast as people are
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"workflow={workflow.id}"))
    expect(page.locator(CHART)).to_be_visible()
    settled(page)

    page.keyboard.press("/")
    page.keyboard.type("pages/1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 tasks match:")).to_be_visible()  # pages/1, pages/10 and pages/11

    page.keyboard.press("Control+k")
    page.keyboard.type("report of")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/workflows\?workflow=[0-9a-f-]{36}$"))


def test_on_a_phone_there_is_a_list(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], workflow: Submitted
) -> None:
    options = {"viewport": SIZES["phone"], **PHONE}
    page = open_page(browser, watched, dashboard.url, "/workflows", **options)
    page.get_by_role("button", name=re.compile("Report of the week")).click()
    expect(page.get_by_role("button").filter(has_text="pages/0")).to_be_visible()
    expect(page.locator(CHART)).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"]["width"]


SCALE = f"""() => {{
    const layout = document.querySelector('{CHART}')?._fullLayout;
    const pixels = (axis) => axis?._length / Math.abs(axis?.range[1] - axis?.range[0]);
    return [layout?.xaxis, layout?.yaxis].map(pixels);
}}"""
TOP = f"() => Math.min(...(document.querySelector('{CHART}')?._fullLayout?.yaxis.range ?? [NaN]))"
BOX = f"() => document.querySelector('{CHART}')?.getBoundingClientRect().bottom"


def test_a_large_graph_begins_with_what_can_be_read(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], settings: Settings
) -> None:
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    steps = {
        f"step-{at}": task("diagnostic.noop", after=[] if at < 30 else [f"step-{(at - 30) // 30 * 30 + at * 7 % 30}"])
        for at in range(300)
    }
    made = submitter.workflows.submit("wild", steps)
    page = open_page(browser, watched, dashboard.url, f"/workflows?workflow={made.id}", viewport=SCREEN)
    page.wait_for_function(f"() => ({SCALE})()[1] >= 41")
    assert page.evaluate(SCALE)[0] >= 140
    assert page.evaluate(BOX) <= SCREEN["height"]
    top = page.evaluate(TOP)
    page.locator(CHART).hover()
    page.mouse.wheel(0, 400)
    page.wait_for_function(f"(top) => ({TOP})() > top + 5", arg=top)
    settled(page)
    picture(page, "large-graph")

    page.get_by_role("button", name="zoom_out_map").click()
    page.wait_for_function(f"() => ({SCALE})()[1] < 25")
    page.wait_for_timeout(5_000)  # refreshes leave it
    assert page.evaluate(SCALE)[1] < 25
    picture(page, "large-graph-whole")
    page.get_by_text("Timeline", exact=True).click()
    expect(page.get_by_text("No task of it has started yet.")).to_be_visible()


def test_in_a_narrow_window_there_are_cards(
    browser: Browser, dashboard: Dashboard, watched: list[Watched], workflow: Submitted
) -> None:
    size = SIZES["phone"]
    page = open_page(browser, watched, dashboard.url, "/workflows", viewport=size)
    picture(page, "narrow-list")
    page.get_by_role("button", name=re.compile("Report of the week")).click()
    expect(page.get_by_role("button").filter(has_text="pages/0")).to_be_visible()
    expect(page.locator(CHART)).to_have_count(0)
    picture(page, "narrow-workflow")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
