"""Variables that look like settings and are none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

from core.config import ENV_PREFIX, Settings
from core.texts import said

# Variables of this prefix that are no settings: what processes tell each other, and switches of tests.
OTHER_VARIABLES = frozenset({"TASKYARD_KEEPER", "TASKYARD_FAILPOINTS"})
TEST_PREFIX = "TASKYARD_TEST_"


def unknown_settings(environment: Mapping[str, str] = os.environ) -> list[str]:
    """One line for each variable that looks like a setting and is none: probably a slip of the pen."""
    names = [name.upper() for name in Settings.model_fields]
    lines = []
    for variable in sorted(environment):
        if not variable.startswith(ENV_PREFIX) or variable.removeprefix(ENV_PREFIX) in names:
            continue
        if variable in OTHER_VARIABLES or variable.startswith(TEST_PREFIX):
            continue
        line = said("{variable} is not a setting", variable=variable)
        near = get_close_matches(variable.removeprefix(ENV_PREFIX), names, 1)
        if near:
            name = f"{ENV_PREFIX}{near[0]}"
            line = said("{variable} is not a setting: did you mean {name}?", variable=variable, name=name)
        lines.append(line)
    return lines
