"""Classifies Redis' error replies: temporary, dead connection, or refusal.

A reply's code may come first in the text, may have been removed by the driver (which then has a class for it), or
may be inside a script's or pipeline's error text.
"""

from __future__ import annotations

import re

from redis import exceptions

# The server can't do it now, but may later: it does not save, has no memory or replicas, is busy with a
# script, loads, is or was demoted, is part of an incomplete cluster, or its users were changed.
_LATER = frozenset(
    {
        "MISCONF", "BUSY", "UNKILLABLE", "NOREPLICAS", "READONLY", "OOM", "LOADING", "MASTERDOWN", "CLUSTERDOWN",
        "TRYAGAIN", "MOVED", "ASK", "NOAUTH", "NOPERM", "WRONGPASS", "DENIED", "UNBLOCKED", "INPROG",
    }
)  # fmt: skip
# The server behind these connections is no longer what it was when they were made.
_TURNED = frozenset({"READONLY", "MASTERDOWN", "MOVED", "ASK", "NOAUTH", "DENIED", "UNBLOCKED"})
_CODE_OF: dict[type[Exception], str] = {
    exceptions.ReadOnlyError: "READONLY",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
    exceptions.MovedError: "MOVED",
    exceptions.AskError: "ASK",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.AuthenticationError: "NOAUTH",
}
_IN_PIPELINE = "of pipeline caused error: "
_FIRST_WORD = re.compile(r"-?([A-Z]+)\b")
_IN_SCRIPT = re.compile(r"(?:script|function)[^-]*: -([A-Z]+) ")  # before version 7
_LATER_TEXTS = ("max number of clients", "Script killed by user", "OOM command not allowed")


def code_of(error: BaseException) -> str:
    """Returns the code of an error reply, such as "MISCONF"; "" if none is known here."""
    for kind, code in _CODE_OF.items():
        if isinstance(error, kind):
            return code
    text = str(error).rpartition(_IN_PIPELINE)[2]
    for found in (_FIRST_WORD.match(text), _IN_SCRIPT.search(text)):
        if found is not None and found[1] in _LATER:
            return found[1]
    return ""


def is_transient(error: BaseException) -> bool:
    """Returns True if the server is away, or temporarily unable to answer."""
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return True
    if not isinstance(error, exceptions.ResponseError):
        return False
    return code_of(error) in _LATER or any(text in str(error) for text in _LATER_TEXTS)


def has_turned(error: BaseException) -> bool:
    """Returns True if the connection, and all made before this answer, must be dropped."""
    return code_of(error) in _TURNED
