"""Finds environment variables that look like settings and are none."""

from __future__ import annotations

import os
from collections.abc import Mapping

from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.core.env_file import unknown_name

# Variables with this prefix that are no settings: processes pass them to each other.
# Or they are of the client, which reads no other settings.
OTHER_VARIABLES = frozenset(
    {"TASKYARD_FORK_SERVER", "TASKYARD_FAILPOINTS", "TASKYARD_URL", "TASKYARD_TOKEN", "TASKYARD_AGENT_TOKEN"}
)


def unknown_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns one line for each variable that looks like a setting and is none: probably a typing error."""
    names = sorted(name for name in environment if name.startswith(ENV_PREFIX) and name not in OTHER_VARIABLES)
    return [line for name in names for line in unknown_name(name, ENV_PREFIX, Settings.model_fields)]
