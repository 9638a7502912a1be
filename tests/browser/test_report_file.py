"""A report's page in a real browser: its charts are drawn, and it reaches nobody."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from taskyard.core.reports import render
from tests.browser.conftest import Watched, open_page
from tests.unit.report_support import HOSTILE, empty_report, hostile_report


def opened(browser: Browser, watched: list[Watched], folder: Path, content: bytes, **options: object) -> Page:
    (folder / "report.html").write_bytes(content)
    return open_page(browser, watched, f"file://{folder}", "/report.html", **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_in_the_colours_of_the_theme(
    browser: Browser, watched: list[Watched], tmp_path: Path, scheme: str
) -> None:
    page = opened(browser, watched, tmp_path, render(hostile_report(), "html"), color_scheme=scheme)
    charts = page.locator(".chart")
    assert charts.count() == 10
    assert page.locator(".plot path").count() > 6
    tick = page.locator(".chart .xs span").first
    assert tick.evaluate("node => getComputedStyle(node).color") == (
        "rgb(71, 85, 105)" if scheme == "light" else "rgb(163, 177, 198)"
    )
    page.locator('[data-values="ends"]').hover(position={"x": 60, "y": 60})
    expect(page.locator('[data-values="ends"] .tip')).to_contain_text("Completed: 20")
    boxes = [box for label in page.locator(".chart .xs").first.locator("span").all() if (box := label.bounding_box())]
    assert all(one["x"] + one["width"] < other["x"] for one, other in itertools.pairwise(boxes))
    text = page.inner_text("body")
    assert HOSTILE[1] in text
    assert HOSTILE[2] in page.inner_text("#table-types")
    assert page.locator("img").count() == 0
    assert HOSTILE[1] in page.locator(".bars .name").all_text_contents()
    page.emulate_media(media="print")
    expect(page.locator("details")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_nothing_of_the_page_can_reach_the_network(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(render(hostile_report(), "html"))
    page = browser.new_page()
    page.goto(f"file://{tmp_path}/report.html")
    with pytest.raises(Error, match="Failed to fetch"):
        page.evaluate("fetch('data:,x')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'ran = true'}))")
    assert page.evaluate("typeof ran") == "undefined"
    page.close()


def test_a_page_of_nothing(browser: Browser, watched: list[Watched], tmp_path: Path) -> None:
    page = opened(browser, watched, tmp_path, render(empty_report(), "html"))
    expect(page.get_by_text("No activity in this period").first).to_be_visible()
    assert page.locator(".chart").count() == 0
