"""Draws the System page: servers, leadership, hosts, storage, settings, the dashboard itself, the log."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from taskyard.core.access.permissions import Permission
from taskyard.core.errors import ConfigurationError
from taskyard.core.i18n import N_
from taskyard.core.views import settings as settings_view
from taskyard.dashboard import timing
from taskyard.dashboard.components.choices import show_choice
from taskyard.dashboard.components.permitted import is_narrowed, lacking, show_left_out
from taskyard.dashboard.components.ranges import pick_range
from taskyard.dashboard.components.translate import translate
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.i18n import _
from taskyard.dashboard.pages.system import (
    data,
    hosts,
    leadership,
    refreshes,
    servers,
    settings,
    storage,
    worker_log,
)
from taskyard.dashboard.pages.system import worker_log_data as log_data
from taskyard.dashboard.shell import frame

PARTS = {
    "servers": N_("Servers"),
    "leader": N_("Leader"),
    "hosts": N_("Hosts"),
    "storage": N_("Storage"),
    "settings": N_("Settings"),
    "dashboard": N_("Dashboard"),
    "log": N_("Log"),
}
WHOLE = ("leader", "storage", "settings", "log")  # what can't be narrowed to queues and types
CHARTS_SECONDS = 10.0
Shown = TypeVar("Shown")


def show_servers() -> None:
    """Shows PostgreSQL and Redis."""
    frame.live("system_servers", data.servers_now, servers.show_servers, every_seconds=5.0, height_px=180)
    frame.live(
        "system_checks",
        data.checks,
        servers.show_checks,
        every_seconds=data.CHECKS_SECONDS,
        shows_update_time=False,
        height_px=60,
    )
    _charts("system_server_charts", lambda seconds: data.samples(seconds, "postgresql", "redis"), servers.show_charts)


def show_leader() -> None:
    """Shows the leading worker."""
    frame.live("system_leader", data.leadership, leadership.show_leadership, height_px=200)
    _charts("system_leader_charts", lambda seconds: data.samples(seconds, "dispatcher"), leadership.show_charts)


def show_hosts() -> None:
    """Shows hosts and processes."""
    frame.live("system_hosts", data.hosts_now, hosts.show_hosts, every_seconds=CHARTS_SECONDS, height_px=300)
    _charts("system_host_charts", data.host_charts, hosts.show_charts)


def show_storage() -> None:
    """Shows sizes and retention."""
    frame.live("system_storage", data.storage, storage.show_storage, every_seconds=data.STORAGE_SECONDS, height_px=600)


def show_settings() -> None:
    """Shows settings and versions, which need no server."""
    try:
        settings.show_settings(settings_view.settings_in_force())
    except ConfigurationError as error:
        st.error(_("The settings can't be read."), icon=":material/error:")
        for problem in error.problems:
            st.text(translate(problem))
    of_servers = data.server_versions().value or {}
    settings.show_versions({**settings_view.versions(), **of_servers})
    if not of_servers:
        st.caption(_("The servers' versions are not available now."))


def show_dashboard() -> None:
    """Shows the dashboard's own refresh times."""
    refreshes.show_refreshes(timing.refreshes())


def show_log() -> None:
    """Shows the log lines of workers and agents."""
    level, text = worker_log.pick_lines()
    frame.live(
        "system_log",
        lambda: log_data.lines(level, text),
        lambda lines: worker_log.show_lines(lines, level, text),
        height_px=worker_log.TABLE_HEIGHT_PX,
    )


def _charts(name: str, read: Callable[[int], Reading[Shown]], show: Callable[[Shown], None]) -> None:
    range_seconds = pick_range()
    frame.live(
        name,
        lambda: read(range_seconds),
        show,
        every_seconds=CHARTS_SECONDS,
        shows_update_time=False,
        height_px=520,
    )


def parts_for_viewer() -> list[str]:
    """Returns the parts that the viewer may see: some tell of all queues and types, the log of what tasks do."""
    hidden = set(WHOLE) if is_narrowed() else set()
    if lacking(Permission.PAYLOAD_READ):
        hidden.add("log")
    return [name for name in PARTS if name not in hidden]


SHOW = {
    "servers": show_servers,
    "leader": show_leader,
    "hosts": show_hosts,
    "storage": show_storage,
    "settings": show_settings,
    "dashboard": show_dashboard,
    "log": show_log,
}

frame.header(_("System"))
if is_narrowed():
    show_left_out()
shown = parts_for_viewer()
part = show_choice(_("Part"), {name: PARTS[name] for name in shown}, "part", "servers")
SHOW[part]()
