"""Draws every page of a dashboard until it or its parent ends: `python page_reader.py JOURNAL RECORDS`.

Which release's pages these are is the environment's choice, so it uses only what both releases have. It records of each
page when it was drawn (monotonic seconds), its name, and what went wrong, or nothing; a record without a name ends a
round. A server that is away is not wrong: the pages say so, and are drawn.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from streamlit import config
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from taskyard.core.paths import FILES
from taskyard.worker.devtools.prove import records

DASHBOARD = FILES / "dashboard"
PAUSE_SECONDS = 0.5  # between two pages: the work that is proved has the processors
DRAW_SECONDS = 60
TAIL_BYTES = 4096


def main(journal: Path, drawn: Path) -> None:
    """Draws until this process or its parent ends."""
    config.set_option("client.showErrorDetails", "full")  # else a page does not say what went wrong
    names = sorted(page.parent.name for page in (DASHBOARD / "pages").glob("*/page.py"))
    parent = os.getppid()
    while os.getppid() == parent:
        for name in names:
            query = {"id": _last_task(journal)} if name == "task" else {}
            problem = _problem_of(name, query)
            records.append(drawn, [time.monotonic(), name, problem])
            time.sleep(PAUSE_SECONDS)
        records.append(drawn, [time.monotonic(), "", ""])


def _problem_of(name: str, query: dict[str, str]) -> str:
    """Draws a page; returns what went wrong."""
    page = AppTest.from_file(str(DASHBOARD / "shell" / "router.py"), default_timeout=DRAW_SECONDS)
    for parameter, value in query.items():
        page.query_params[parameter] = value
    page._page_hash = calc_hash(name)
    try:
        page.run()
    except RuntimeError as error:  # it took too long
        return str(error)
    wrong: list[Any] = [*page.exception, *page.error]
    return "; ".join(str(one.value) for one in wrong)


def _last_task(journal: Path) -> str:
    """Returns the id of the task that was accepted last, or nothing."""
    if not journal.exists():
        return ""
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - TAIL_BYTES))
        lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b'["')]
    return str(json.loads(lines[-1])[0]) if lines else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
