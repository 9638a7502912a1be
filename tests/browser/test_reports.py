"""Reports in Chromium: files are made when they are asked for."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.parametrize(("label", "ending", "start"), [("PDF", "pdf", b"%PDF-"), ("Excel", "xlsx", b"PK")])
def test_a_report_is_downloaded(page: Page, label: str, ending: str, start: bytes) -> None:
    page.goto(f"{page.url.rstrip('/')}/reports")
    expect(page.get_by_text("No activity in this period").first).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=False).first.click()

    assert download.value.suggested_filename.endswith(f".{ending}")
    assert download.value.path().read_bytes().startswith(start)
    expect(page.get_by_text("No activity in this period").first).to_be_visible()
