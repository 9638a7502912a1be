"""Points at and clicks places of charts, which a refresh may draw anew at any moment."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from playwright.sync_api import Page, TimeoutError

from tests.servers import wait_until

ANSWER_MS = 10_000  # for a click to lead elsewhere, before it is made again


def point_at(page: Page, chart: str, place: str, arg: Any = None) -> tuple[float, float]:
    """Moves the pointer to a place until the chart there has seen it; returns its x and y.

    `chart` selects the chart; `place` is a function of JavaScript that returns [x, y], or null while it is not there.
    """

    def is_seen() -> tuple[float, float] | None:
        x, y = page.wait_for_function(place, arg=arg).json_value()
        page.mouse.move(x - 3, y - 3)
        page.mouse.move(x, y, steps=4)
        is_hovered = page.evaluate("(chart) => document.querySelector(chart)?._hoverdata?.length > 0", chart)
        return (x, y) if is_hovered else None

    return wait_until(is_seen, 30)


def click_at(page: Page, chart: str, place: str, arg: Any = None) -> None:
    """Clicks at a place of a chart until that leads elsewhere: a chart that is drawn anew meanwhile forgets a click."""
    start = page.url

    def has_left() -> bool:
        page.mouse.click(*point_at(page, chart, place, arg))
        with suppress(TimeoutError):
            page.wait_for_url(lambda url: url != start, timeout=ANSWER_MS, wait_until="commit")
        return page.url != start

    wait_until(has_left, 30)
