"""Lines of a log: text whatever they contain, one for each that was printed, and what is searched for marked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.models import LogEntry
from taskyard.dashboard.components import log_lines
from taskyard.dashboard.components.log_lines import markup

AT = datetime(2026, 1, 5, 12, 0, 0, 7_900, tzinfo=UTC)
TAGS = re.compile(r"</?(?:div|time|span|b|i|mark)(?: class=\"[a-z -]+\")?>")


def entry(message: str, level: str = "info", at: datetime = AT) -> LogEntry:
    return LogEntry(at, 1, level, message, None)


def messages(html: str) -> list[str]:
    """What is shown of each line, without its markup."""
    return [unescape(TAGS.sub("", part)) for part in re.findall(r"</b><div>(.*?)</div></div>", html, re.DOTALL)]


@given(st.text(), st.text(max_size=3), st.sampled_from(["info", "stdout", '"><script>']))
def test_whatever_is_written_is_text(message: str, needle: str, level: str) -> None:
    html = markup([entry(message, level)], needle)
    rest = TAGS.sub("", html)
    assert "<" not in rest
    assert ">" not in rest


def test_control_characters_are_seen() -> None:
    html = markup([entry("\x1b[31mred\x7f \x85 \u202egnp \u200b\tend")])
    assert messages(html) == ["\\x1b[31mred\\x7f \\x85 \\u202egnp \\u200b\tend"]
    assert html.count("<i>") == 5


def test_printed_lines_are_shown_by_themselves_and_messages_whole() -> None:
    html = markup([entry("one\ntwo\n", "stdout"), entry("Traceback\n  line")])
    assert messages(html) == ["one", "two", "Traceback\n  line"]
    assert html.count("taskyard-log-stdout") == 2


def test_hits_are_marked_and_printed_lines_without_one_left_out() -> None:
    html = markup([entry("an Apple\na pear", "stderr"), entry("<apple>\nand more")], "apple")
    assert messages(html) == ["an Apple", "<apple>\nand more"]
    assert re.findall("<mark>(.*?)</mark>", html) == ["Apple", "apple"]


def test_times_have_milliseconds_and_both_hours_of_a_change_of_clocks_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "viewer_zone", lambda: ZoneInfo("Europe/Berlin"))
    before = datetime(2026, 10, 25, 0, 30, 0, 7_900, tzinfo=UTC)
    html = markup([entry("a", at=before), entry("b", at=before), entry("c", at=before + timedelta(hours=1))])
    assert re.findall("<time>(.*?)</time>", html) == ["02:30:00.007"] * 3
    assert re.findall('-day">(.*?)</div>', html) == ["2026-10-25 CEST", "2026-10-25 CET"]
