"""Checks the names and ids of signals (pure)."""

from __future__ import annotations

import re

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.payload.encode import exact
from taskyard.core.questions.question import SIGNAL_PREFIX
from taskyard.core.signal_limits import MAX_SIGNAL_NAME_LENGTH

_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,{MAX_SIGNAL_NAME_LENGTH - 1}}}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@+-]{0,199}", re.ASCII)  # those of times that ran out begin otherwise


def check_name(value: object) -> str:
    """Returns a valid name of a signal; raises SubmissionError."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        text = msg("1 to {limit} letters, digits or _.:-", limit=MAX_SIGNAL_NAME_LENGTH)
        raise refused("name", value, text)
    if value.startswith(SIGNAL_PREFIX):
        text = msg("one that does not begin with {prefix}: those are answers of people", prefix=SIGNAL_PREFIX)
        raise refused("name", value, text)
    return exact(value)


def check_signal_id(value: object) -> str:
    """Returns a valid id of a signal; raises SubmissionError."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise refused("signal_id", value, msg("1 to 200 letters, digits or _./:@+-, a letter or digit first"))
    return exact(value)
