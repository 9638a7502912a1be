"""Texts as PostgreSQL, JSON and UTF-8 can hold them: the one place that makes them so (pure)."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 4096  # of what went wrong with an attempt
MAX_TRACEBACK_BYTES = 16384
CUT = "…"
_CUT_BYTES = len(CUT.encode())


def storable(text: str, limit_bytes: int, *, keep_end: bool = False) -> str:
    """`text` with NUL characters and halves of surrogate pairs written out, cut to `limit_bytes` of UTF-8 (at least 3).

    What is cut off is the end, or the beginning with `keep_end`; an ellipsis stands for it.
    """
    if len(text) > limit_bytes:  # what is cut off anyway is not looked at
        text = text[-limit_bytes - 1 :] if keep_end else text[: limit_bytes + 1]
    encoded = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace")
    if len(encoded) <= limit_bytes:
        return encoded.decode()
    if keep_end:
        return CUT + encoded[len(encoded) - limit_bytes + _CUT_BYTES :].decode("utf-8", "ignore")
    return encoded[: limit_bytes - _CUT_BYTES].decode("utf-8", "ignore") + CUT
