"""Formats durations for users, in any language (pure)."""

from __future__ import annotations

import itertools
import math

from taskyard.core.i18n import N_, TranslatableText, msg

_UNITS = ((N_("{n} d"), 86_400), (N_("{n} h"), 3_600), (N_("{n} min"), 60), (N_("{n} s"), 1))


def duration(seconds: float) -> TranslatableText:
    """Returns `seconds` in at most two units: 4 ms, 0.32 s, 42 s, 3 min 20 s, 2 d 4 h."""
    seconds = max(0.0, seconds)
    if seconds < 0.1 and seconds:
        return msg("{n} ms", n=f"{seconds * 1000:.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}")
    if seconds < 60 or not math.isfinite(seconds):
        return msg("{n} s", n=f"{round(seconds, 2):g}" if seconds < 10 else f"{seconds:.0f}")
    whole = int(seconds)
    for (unit, size), (smaller, smaller_size) in itertools.pairwise(_UNITS):
        if whole >= size:
            first, rest = TranslatableText(unit, {"n": whole // size}), whole % size // smaller_size
            if not rest:
                return first
            return msg("{first} {second}", first=first, second=TranslatableText(smaller, {"n": rest}))
    raise AssertionError("a minute or more is at least one of the units")
