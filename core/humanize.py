"""Amounts as people read and write them: spans of time, sizes, shares (pure).

The one place for the command line, the dashboard, reports and alerts. Spans are translated where they are shown, as
all that core says (core.i18n). Babel's units are others: 3 hr, 2 days, one unit only, and no KiB.
"""

from __future__ import annotations

import itertools
import math
import re

from taskyard.core.i18n import N_, TranslatableText, msg

UNKNOWN = "–"
_SPAN_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20
_SPAN = re.compile(r"([0-9]{1,10})([smhdw])")
_UNITS = ((N_("{n} d"), 86_400), (N_("{n} h"), 3_600), (N_("{n} min"), 60), (N_("{n} s"), 1))
_COMPACT = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_ROUND_STEPS = [(n, 1) for n in (10, 15, 30)] + [(n, 60) for n in (1, 2, 5, 10, 15, 30)]
_ROUND_STEPS += [(n, 3_600) for n in (1, 2, 3, 6, 12)]
MAX_DECIMALS = 6  # of a number that is not 0
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def duration(seconds: float, *, is_figure: bool = False) -> TranslatableText:
    """Returns `seconds` in at most two units: 80 µs, 4 ms, 0.5 s, 42 s, 3 min 20 s, 2 d 4 h.

    `is_figure`: one that stands beside others, and has as many digits as they: 0.50 s, 0.0 ms.
    """
    seconds = max(0.0, seconds)
    if 0 < seconds < 0.0001:
        return msg("{n} µs", n="< 1" if seconds < 0.0000005 else f"{seconds * 1e6:.0f}")
    if seconds < 0.0995 and (seconds or is_figure):
        return msg("{n} ms", n=f"{seconds * 1000:.0f}" if seconds >= 0.00995 else f"{seconds * 1000:.1f}")
    if seconds < 59.5 or not math.isfinite(seconds):
        short = f"{seconds:.2f}" if is_figure else f"{round(seconds, 2):g}"
        return msg("{n} s", n=short if seconds < 9.995 else f"{seconds:.0f}")
    (unit, count), (smaller, rest) = _in_two(max(60, int(seconds)), _UNITS)
    first = TranslatableText(unit, {"n": _grouped(count)})
    return msg("{first} {second}", first=first, second=TranslatableText(smaller, {"n": rest})) if rest else first


def number(value: float, *, is_exact: bool = True) -> str:
    """Returns a count or a rate: whole from 100 on, else with up to two decimals, never with an exponent.

    More digits are shown only of what would be 0 otherwise: 0.0042, 0.000031. A lower bound that is not exact has a
    plus: 4,989+.
    """
    if not is_exact:
        return f"{number(value)}+"
    if not math.isfinite(value):
        return UNKNOWN
    if isinstance(value, int) or float(value).is_integer() or abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) >= 9.995:
        return f"{value:,.1f}"
    if abs(value) >= 0.01:
        return f"{value:.2f}"
    digits = 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{digits}f}" if digits <= MAX_DECIMALS else f"< {10.0**-MAX_DECIMALS:.{MAX_DECIMALS}f}"


def duration_ticks(most: float, wanted: int = 5) -> list[float]:
    """Returns round durations in seconds from 0 to `most` or slightly more, for an axis: steps of 1, 2, 5, 10, 15 or
    30 of a unit.
    """
    if not most > 0 or not math.isfinite(most):
        return [0.0, 1.0]
    rough = max(most / wanted, 1e-6)  # shorter ones are not told apart
    power = 10.0 ** math.floor(math.log10(rough))
    decimal = [power * factor for factor in (1, 2, 5, 10)]
    steps = [step for step in decimal if step < 60] if rough < 30 else []
    steps += [n * size for n, size in _ROUND_STEPS] + [86_400 * step for step in _decimal_days(rough)]
    step = next(step for step in steps if step >= rough * (1 - 1e-9))
    return [step * position for position in range(math.ceil(most / step - 1e-9) + 1)]


def rounded_duration(seconds: float) -> TranslatableText:
    """Returns `seconds` as the nearest number of its largest unit: 3 min, 1 d; below a minute as a figure."""
    for (unit, size), (_smaller, smaller_size) in itertools.pairwise(_UNITS):
        if round(seconds / smaller_size) * smaller_size >= size:
            return TranslatableText(unit, {"n": _grouped(round(seconds / size))})
    return duration(seconds, is_figure=True)


def compact_duration(seconds: float) -> str:
    """Returns `seconds` for a terminal, in at most two units: 0.012s, 4.2s, 3m 20s, 2d 4h."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.3f}s" if seconds < 0.9995 else f"{seconds:.1f}s"
    (unit, count), (smaller, rest) = _in_two(max(60, int(seconds)), _COMPACT)
    return f"{count}{unit} {rest}{smaller}" if rest else f"{count}{unit}"


def parsed_span(text: str) -> int | None:
    """Returns the seconds of a span such as 90s, 30m, 24h, 7d or 2w; None for another text."""
    found = _SPAN.fullmatch(text)
    return None if found is None else int(found[1]) * _SPAN_UNITS[found[2]]


def byte_size(count: float | None) -> str:
    """Returns a number of bytes in the unit that fits: 512 B, 1.5 KiB, 20 MiB; UNKNOWN for None."""
    if count is None:
        return UNKNOWN
    size, unit = float(count), _BYTES[0]
    for unit in _BYTES:
        if size < 1023.5 or unit == _BYTES[-1] or (unit == "B" and size < 1024):
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"


def percent(share: float | None, digits: int = 0) -> str:
    """Returns a share of 1 as a percentage; UNKNOWN for None."""
    return UNKNOWN if share is None else f"{share:.{digits}%}"


def percent_done(share: float) -> str:
    """Returns how far something is, in whole percent: 100 % only once all of it is done."""
    return f"{floored(share):.0%}"


def floored(share: float) -> float:
    """Returns a share of 1 rounded down to whole percent."""
    return math.floor(share * 100 + 1e-9) / 100


def strict_percent(share: float) -> str:
    """Returns a share as a percentage that is 100 % only for all of it, and 0 % only for none."""
    if not 0 < share < 1:
        return f"{share:.0%}"
    decimals = 2 if share > 0.99 or share < 0.01 else 1
    least = 10.0 ** -(decimals + 2)
    return f"{min(max(share, least), 1 - least):.{decimals}%}"


def _decimal_days(rough: float) -> list[float]:
    power = 10.0 ** max(0, math.floor(math.log10(max(1.0, rough / 86_400))))
    return [power * factor for factor in (1, 2, 5, 10)]


def _grouped(count: int) -> str:
    return f"{count:,}"


def _in_two(seconds: int, units: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], tuple[str, int]]:
    """The largest unit that fits and the next one, each with its count; for a minute or more."""
    for (unit, size), (smaller, smaller_size) in itertools.pairwise(units):
        if seconds >= size:
            return (unit, seconds // size), (smaller, seconds % size // smaller_size)
    raise AssertionError("a minute or more is at least one of the units")
