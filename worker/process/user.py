"""Who runs this process."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Who runs this command: the name the system knows, or the number if it knows none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
