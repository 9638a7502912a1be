"""Reads the settings in force, and all versions. Neither needs a server."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import taskyard
from taskyard.core.config import ENV_PREFIX, SECRET_FIELDS, Settings, settings

LIBRARIES = {
    "Streamlit": "streamlit",
    "SQLAlchemy": "sqlalchemy",
    "psycopg2": "psycopg2-binary",
    "redis-py": "redis",
    "pandas": "pandas",
    "plotly": "plotly",
}
_HAS_CREDENTIALS = re.compile(r"://[^\s/]*@")
_NAMES_SECRET = re.compile(r"passw(or)?d|secret|token|api_?key|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in the form of the environment; values of secrets are None, even as a default."""

    variable: str
    value: str | None
    default: str | None
    is_default: bool
    description: str


def settings_in_force(current: Settings | None = None) -> list[Setting]:
    """Returns every setting of this process; raises ConfigurationError if they can't be read."""
    current = current or settings()
    found = []
    for name, field in Settings.model_fields.items():
        value, default = getattr(current, name), field.get_default(call_default_factory=True)
        is_hidden = is_secret(name, value)
        found.append(
            Setting(
                variable=f"{ENV_PREFIX}{name.upper()}",
                value=None if is_hidden else shown(value),
                default=None if is_hidden else shown(default),
                is_default=value == default,
                description=field.description or "",
            )
        )
    return found


def is_secret(name: str, value: object) -> bool:
    """Returns True if a setting's value must be hidden: by its name, or because it is a URL with credentials."""
    if value is None:
        return False
    return name in SECRET_FIELDS or bool(_NAMES_SECRET.search(name)) or bool(_HAS_CREDENTIALS.search(shown(value)))


def shown(value: object) -> str:
    """Returns a value in the form of the environment; empty for none."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, bool | dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def versions() -> Mapping[str, str]:
    """Returns the versions of what this process runs on, by name."""
    return {
        "Taskyard": taskyard.__version__,
        "Python": platform.python_version(),
        **{name: version(package) for name, package in LIBRARIES.items()},
        platform.system(): platform.release(),
    }
