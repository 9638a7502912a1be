"""Steps of somebody who looks into a failure, walked back and forth in any browser: each shows what was there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from playwright.sync_api import Page

from tests.servers import wait_until

START = "/?range=24h"
QUIET_SECONDS = 0.7  # in which whatever else adds an entry has done so: only time can show that nothing does
STEP_SECONDS = 60
HEADER_PX, ROW_PX = 32, 24
IS_DRAWN = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
SEEN = """JSON.stringify([
    location.pathname + location.search,
    document.querySelector('h1')?.innerText ?? '',
    document.querySelectorAll('.st-key-task_panel').length,
    [...document.querySelectorAll('.st-key-section_of_tasks [data-testid=stText]')].map((one) => one.innerText)
        .find((text) => /\\d tasks?( match(es)?)?:/.test(text)) ?? '',
])"""


class Driver(Protocol):
    """A window of a browser."""

    def open(self, url: str) -> None:
        """Opens a page."""

    def go(self, steps: int) -> None:
        """Goes back (negative) or forward."""

    def value(self, expression: str) -> Any:
        """The value of an expression in the page: a text, a number or a truth value."""

    def wait_for(self, expression: str) -> None:
        """Waits until an expression is true."""

    def click_at(self, x: float, y: float) -> None:
        """Clicks a point of the window."""


class Chromium:
    """A page of Playwright as a driver."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def open(self, url: str) -> None:
        self._page.goto(url)

    def go(self, steps: int) -> None:
        (self._page.go_back if steps < 0 else self._page.go_forward)()

    def value(self, expression: str) -> Any:
        return self._page.evaluate(expression)

    def wait_for(self, expression: str) -> None:
        self._page.wait_for_function(f"() => {expression}")  # a bare expression is evaluated, which our policy forbids

    def click_at(self, x: float, y: float) -> None:
        self._page.mouse.click(x, y)


class Step(NamedTuple):
    """What is clicked, and the address that it leads to."""

    element: str  # an expression
    there: str  # a regular expression
    place: Callable[[float, float], tuple[float, float]] = lambda width, height: (width / 2, height / 2)


def _css(selector: str, text: str = "") -> str:
    """The first element that is shown, with this text if one is given; the name of an icon may stand before it."""
    return (
        f"[...document.querySelectorAll({json.dumps(selector)})].find((one) => one.getClientRects().length"
        f" && one.innerText.trim().endsWith({json.dumps(text)}))"
    )


TABLE = '[class*="st-key-tasks_"] [data-testid="stDataFrame"]'
PAGE_LINK = '[data-testid="stSidebarNavLink"]'
LINK = '[data-testid="stPageLink"] a'
STEPS = (
    Step(_css(PAGE_LINK, "Failures"), r"^/failures\?range=24h$"),
    Step(_css('[role="radiogroup"] button, [data-testid^="stBaseButton-segmented"]', "7d"), "range=7d"),
    Step(_css('[data-testid="stDataFrame"]'), r"range=7d&group=\w+$", lambda _width, _height: (20, 54)),
    Step(_css(LINK, "View failed tasks"), r"^/tasks\?.*fingerprint="),
    Step(_css(TABLE), r"^/tasks\?.*fingerprint=.*task=", lambda width, _: (width - 80, HEADER_PX + ROW_PX / 2)),
    Step(_css(".st-key-task_panel_head a"), r"^/task\?id="),
    Step(_css(LINK, "View tasks"), r"^/tasks\?fingerprint=\w+$"),
    Step(_css(".st-key-tab_failed button"), "states=failed"),
    Step(_css(".st-key-tab_all button"), r"^/tasks\?fingerprint=\w+$"),
    Step(_css(".st-key-drop_fingerprint button"), "^/tasks$"),
    Step(_css(".st-key-page_chevron_right button"), r"^/tasks\?after="),
    Step(_css(PAGE_LINK, "Overview"), r"^/\?range=7d$"),
)


def walk(driver: Driver, url: str) -> None:
    """Goes all steps, all the way back, and forward again; each must be one entry, and show what was there."""
    driver.open(f"{url}{START}")
    driver.wait_for("!!window.taskyardHistory && document.body.innerText.includes('Oldest ready task')")
    stops, first = [_seen(driver)], driver.value("history.length")
    for number, step in enumerate(STEPS, 1):
        _click(driver, step)
        driver.wait_for(f"new RegExp({json.dumps(step.there)}).test(location.pathname + location.search)")
        driver.wait_for("!!document.querySelector('h1')")
        time.sleep(QUIET_SECONDS)
        stops.append(_seen(driver))
        assert re.search(step.there, stops[-1][0]), step.there
        assert driver.value("history.length") == first + number, step.there
    for steps, passed in ((-1, list(reversed(stops[:-1]))), (1, stops[1:])):
        for stop in passed:
            driver.go(steps)
            wait_until(lambda stop=stop: _seen(driver) == stop, STEP_SECONDS, f"{steps} shows {stop}")


def _click(driver: Driver, step: Step) -> None:
    driver.wait_for(f"!!({step.element})")
    driver.value(f"({step.element}).scrollIntoView({{ block: 'nearest' }})")
    driver.wait_for(IS_DRAWN)
    edge = f"({step.element}).getBoundingClientRect()"
    left, top, width, height = (driver.value(f"{edge}.{name}") for name in ("left", "top", "width", "height"))
    x, y = step.place(width, height)
    driver.click_at(left + x, top + y)


def _seen(driver: Driver) -> tuple[Any, ...]:
    """What somebody sees of where they are: address, title, an open panel, and how many tasks match."""
    driver.wait_for(IS_DRAWN)
    return tuple(json.loads(driver.value(SEEN)))
