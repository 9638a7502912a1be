"""Makes links that sign a browser in as the local admin, and remembers this machine's last dashboard address."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import structlog

from taskyard.core.access.identity import os_user
from taskyard.core.access.modes import Mode
from taskyard.core.config import Settings
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import sign_ins

log = structlog.get_logger(__name__)

SAID_OF = {
    Mode.PASSWORD: "People sign in with a password; the first one: taskyard access create-admin NAME",
    Mode.OIDC: "People sign in by the OpenID Connect provider",
    Mode.PROXY: "People come in by the proxy that names them",
    Mode.NONE: "Everybody may read, and nobody may change anything (TASKYARD_AUTH=none)",
}
FILE = "dashboard-url"  # in the data folder: the port may differ from the settings


def make(database: Database, url: str, made_by: str) -> tuple[str, datetime]:
    """Makes a link to the dashboard at `url`; returns it with its expiry. Raises Unavailable."""
    with database.transaction() as tx:
        key, until = sign_ins.make_link(tx, made_by)
    return f"{url}/enter?key={key}", until


def invitation(settings: Settings, database: Database, url: str) -> list[str]:
    """Returns lines for the terminal, not for any log: the dashboard's address and a sign-in link."""
    lines = [f"Taskyard is up: {url}   (Ctrl-C stops it)"]
    if settings.auth is not Mode.LOOPBACK:
        lines.append(SAID_OF[settings.auth])
    try:
        note_url(settings, url)
        if settings.auth in (Mode.NONE, Mode.PROXY):
            return lines
        link, _until = make(database, url, os_user())
    except (Unavailable, OSError) as error:
        log.warning("entry_link.failed", reason=str(error), hint="taskyard enter")
        return lines
    what = "To submit code from a browser" if settings.auth is Mode.LOOPBACK else "To come in as the local admin"
    return [*lines, f"{what}, open this link once: {link}"]


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
