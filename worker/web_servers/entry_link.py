"""Makes links that sign a browser in as the local admin, and remembers this machine's last dashboard address."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import structlog

from taskyard.core.access.identity import os_user
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import sign_ins

log = structlog.get_logger(__name__)

FILE = "dashboard-url"  # in the data folder: the port may differ from the settings


def make(database: Database, url: str, made_by: str) -> tuple[str, datetime]:
    """Makes a link to the dashboard at `url`; returns it with its expiry. Raises Unavailable."""
    with database.transaction() as tx:
        key, until = sign_ins.make_link(tx, made_by)
    return f"{url}/enter?key={key}", until


def invitation(settings: Settings, database: Database, url: str) -> list[str]:
    """Returns lines for the terminal, not for any log: the dashboard's address and a sign-in link."""
    lines = [f"Taskyard is up: {url}   (Ctrl-C stops it)"]
    try:
        note_url(settings, url)
        link, _until = make(database, url, os_user())
    except (Unavailable, OSError) as error:
        log.warning("entry_link.failed", reason=str(error), hint="taskyard enter")
        return lines
    return [*lines, f"To submit code from a browser, open this link once: {link}"]


def note_url(settings: Settings, url: str) -> None:
    """Stores the dashboard's address, for commands."""
    path = _file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(f"{url}\n", encoding="utf-8")
    fresh.replace(path)


def noted_url(settings: Settings) -> str | None:
    """Returns the last stored address; None if there is none."""
    try:
        return _file(settings).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _file(settings: Settings) -> Path:
    return settings.data_dir / FILE
