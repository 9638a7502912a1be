"""Determines who runs this process."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Returns the user who runs this command: the name, or the number if the system knows no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
