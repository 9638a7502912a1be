"""Shows lines of a log as they were written: in a fixed width, wrapped, with control characters to be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from taskyard.core.models import LogEntry
from taskyard.dashboard.components.times import shown_clock, shown_day
from taskyard.dashboard.components.zones import viewer_zone
from taskyard.dashboard.i18n import _

STREAMS = ("stdout", "stderr")
# The look of each level, a class of console.css; others look plain.
LOOKS = {
    "stdout": "stdout",
    "stderr": "stderr",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "critical": "error",
}
# Besides tabs and ends of lines; also what is not seen, and what turns around how the rest is shown.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def show_log_lines(
    entries: Sequence[LogEntry],
    label: str,
    *,
    needle: str = "",
    hrefs: Sequence[str] = (),
    marked: int | None = None,
) -> None:
    """Shows entries, whatever they contain as text; of printed lines those with `needle`, which is marked.

    With `hrefs`, each has the address of the lines around it; the entry with the number `marked` stands out.
    """
    lines = markup(entries, needle, hrefs, marked)
    st.html(f'<div class="taskyard-log" role="group" aria-label="{escape(label)}">{lines}</div>')


def markup(entries: Iterable[LogEntry], needle: str = "", hrefs: Sequence[str] = (), marked: int | None = None) -> str:
    """Returns the HTML of entries."""
    wanted = re.compile(re.escape(needle), re.IGNORECASE) if needle else None
    zone = viewer_zone()
    parts = []
    last_day = ""
    around, hit = escape(_("Show the lines around it")), " taskyard-log-hit"
    for number, entry in enumerate(entries):
        day = shown_day(entry.at, zone)
        if day != last_day:
            parts.append(f'<div class="taskyard-log-day">{escape(day)}</div>')
            last_day = day
        level = entry.level.lower()
        clock = shown_clock(entry.at, zone)
        if hrefs:
            clock = f'<a href="{escape(hrefs[number])}" title="{around}">{clock}</a>'
        attempt = "" if entry.attempt is None else f"#{entry.attempt}"
        head = (
            f'<div class="taskyard-log-line taskyard-log-{LOOKS.get(level, "plain")}{hit if number == marked else ""}">'
            f"<time>{clock}</time><span>{attempt}</span><b>{_shown(level)}</b><div>"
        )
        parts += [f"{head}{_marked(line, wanted)}</div></div>" for line in lines_of(entry, wanted)]
    return "".join(parts)


def lines_of(entry: LogEntry, wanted: re.Pattern[str] | None = None) -> list[str]:
    """Returns the lines of what was printed, those that have what is wanted if any has; other messages are one."""
    if entry.level not in STREAMS:
        return [entry.message]
    lines = entry.message.removesuffix("\n").split("\n")
    return [line for line in lines if wanted is None or wanted.search(line)] or lines


def _marked(line: str, wanted: re.Pattern[str] | None) -> str:
    if wanted is None:
        return _shown(line)
    parts = []
    end = 0
    for hit in wanted.finditer(line):
        parts.append(f"{_shown(line[end : hit.start()])}<mark>{_shown(hit.group())}</mark>")
        end = hit.end()
    return "".join([*parts, _shown(line[end:])])


def _shown(text: str) -> str:
    """Returns a text as HTML; control characters are written as in Python."""
    return _CONTROL.sub(lambda found: f"<i>{_sign(ord(found.group()))}</i>", escape(text))


def _sign(code: int) -> str:
    # not Unicode's pictures of control characters, which many fonts lack
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
