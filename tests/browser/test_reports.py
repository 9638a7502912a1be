"""Reports in Chromium: files are made when they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.counted import Counted


@pytest.mark.parametrize(("label", "ending", "start"), [("PDF", "pdf", b"%PDF-"), ("Excel", "xlsx", b"PK")])
def test_a_report_is_downloaded(page: Page, label: str, ending: str, start: bytes) -> None:
    page.goto(f"{page.url.rstrip('/')}/reports")
    expect(page.get_by_text("No activity in this period").first).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=False).first.click()

    assert download.value.suggested_filename.endswith(f".{ending}")
    assert download.value.path().read_bytes().startswith(start)
    expect(page.get_by_text("No activity in this period").first).to_be_visible()


def test_last_weeks_report_takes_two_actions(page: Page) -> None:
    """From the Overview; the report is there to read, and each file is one more."""
    expect(page.get_by_role("link", name="Reports")).to_be_visible()
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())

    report = Counted()
    report.click(page.get_by_role("link", name="Reports"))
    report.click(page.get_by_role("radio", name="Last week"))

    wanted = f"{monday - timedelta(days=7)} 00:00 to {monday} 00:00"
    expect(page.get_by_text(wanted).first).to_be_visible()
    assert report.actions <= 2
    with page.expect_download() as download:
        page.get_by_role("button", name="PDF").first.click()
    assert f"{monday:%Y%m%d}" in download.value.suggested_filename
