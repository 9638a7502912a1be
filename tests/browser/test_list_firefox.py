"""Back and Forward on the list of tasks, in Firefox."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.core.config import Settings
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from tests.browser.dashboards import Dashboard
from tests.browser.firefox import FIREFOX, Firefox

IS_DRAWN = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
TABLE = "document.querySelector('[class*=\"st-key-tasks_\"] canvas').getBoundingClientRect()"
PANEL = "!!document.querySelector('.st-key-task_panel')"


@pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox: on Debian, apt-get install firefox-esr")
def test_back_and_forward_in_firefox(settings: Settings, dashboard: Dashboard, tmp_path: Path) -> None:
    submitter = open_submitter(settings, registry.load(), settings.database_url or "", settings.redis_url or "")
    submitter.submit_many({"type": "diagnostic.noop", "queue": "q"} for _ in range(40))
    tmp_path.chmod(0o755)
    with Firefox(tmp_path, 1440, 900) as firefox:

        def at() -> tuple[str, bool, str]:
            firefox.wait_for(f"{IS_DRAWN} && !!document.querySelector('h1')")
            query = str(firefox.value("location.pathname + location.search"))
            return query, bool(firefox.value(PANEL)), str(firefox.value("document.querySelector('h1').innerText"))

        def stepped(path: str) -> None:
            firefox.wait_for(f"(location.pathname + location.search).includes({path!r})")
            stops.append(at())
            assert firefox.value("history.length") == first + len(stops) - 1, stops

        firefox.open(f"{dashboard.url}/tasks?queues=q&sort=oldest")
        firefox.wait_for("!!window.taskyardHistory && !!document.querySelector('[class*=\"st-key-tasks_\"] canvas')")
        stops, first = [at()], firefox.value("history.length")
        firefox.click(".st-key-tab_waiting button")
        stepped("states=")
        firefox.click(".st-key-page_chevron_right button")
        stepped("after=")
        firefox.wait_for(f"{TABLE}.height > 100 && {TABLE}.height < 500")
        firefox.click_at(firefox.value(f"{TABLE}.right - 80"), firefox.value(f"{TABLE}.top + 44"))
        stepped("task=")
        firefox.click(".st-key-task_panel_head a")
        stepped("/task?id=")
        for steps, passed in ((-1, reversed(stops[:-1])), (1, stops[1:])):
            for path, has_panel, title in passed:
                firefox.go(steps)
                is_there = f"location.pathname + location.search === {path!r}"
                firefox.wait_for(f"{is_there} && {PANEL} === {str(has_panel).lower()}")
                assert at() == (path, has_panel, title)
