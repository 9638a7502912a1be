"""Says where commands work: on this host's servers, or over HTTP, as `TASKYARD_URL` says."""

from __future__ import annotations

import os

URL_VARIABLE = "TASKYARD_URL"


def is_remote() -> bool:
    """Returns True if commands go over HTTP."""
    return bool(os.environ.get(URL_VARIABLE))
