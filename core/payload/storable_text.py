"""Makes texts fit PostgreSQL, JSON and UTF-8 in one place (pure)."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 4096  # limits for an attempt's error texts
MAX_TRACEBACK_BYTES = 16384
CUT = "…"
_CUT_BYTES = len(CUT.encode())


def storable(text: str, limit_bytes: int, *, keep_end: bool = False) -> str:
    """Returns `text` with NUL characters and lone surrogates escaped, cut to `limit_bytes` of UTF-8 (at least 3).

    The end is cut off, or the beginning with `keep_end`; an ellipsis marks the cut.
    """
    if len(text) > limit_bytes:  # text to be cut off is not searched
        text = text[-limit_bytes - 1 :] if keep_end else text[: limit_bytes + 1]
    encoded = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace")
    if len(encoded) <= limit_bytes:
        return encoded.decode()
    if keep_end:
        return CUT + encoded[len(encoded) - limit_bytes + _CUT_BYTES :].decode("utf-8", "ignore")
    return encoded[: limit_bytes - _CUT_BYTES].decode("utf-8", "ignore") + CUT
