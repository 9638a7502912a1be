"""Formats amounts."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20


def shown_bytes(count: float | None) -> str:
    """Returns a number of bytes in the unit that fits: 512 B, 1.5 KiB, 20 MiB; "–" for None."""
    if count is None:
        return "–"
    size, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"


def percent(share: float | None, digits: int = 0) -> str:
    """Returns a share of 1 as a percentage; "–" for None."""
    return "–" if share is None else f"{share:.{digits}%}"
