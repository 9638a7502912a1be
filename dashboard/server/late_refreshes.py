"""Prevents a late refresh from bringing back the page that was left.

A section's timer may fire in the browser between a click that leads to another page and that page's arrival.
Streamlit 1.67 runs such a refresh after the new page, as a run of the old page: the browser then drops what the new
page has drawn, and stays white. The version is pinned in requirements.txt; when a later one refuses them itself,
this module can go (its test asks the server, not this module).
"""

from __future__ import annotations

import functools

from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData


def refuse_late_refreshes() -> None:
    """Makes this process ignore refreshes requested by another page than the displayed one."""
    run = ScriptRunner._run_script
    if hasattr(run, "__wrapped__"):
        return  # once is enough, however often the server's module is loaded

    @functools.wraps(run)
    def run_unless_late(runner: ScriptRunner, rerun_data: RerunData) -> None:
        shown = runner._pages_manager.current_page_script_hash
        asking = rerun_data.page_script_hash
        if not (rerun_data.is_auto_rerun and asking and shown and asking != shown):
            run(runner, rerun_data)

    ScriptRunner._run_script = run_unless_late  # type: ignore[method-assign, assignment]
