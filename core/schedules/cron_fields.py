"""Checks the five fields of a cron expression, and says which one is wrong and why (pure).

cronsim reads them all the same; it only says which field it does not like, and takes steps that can't be meant.
"""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.core.i18n import N_, Word, msg

DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class _Field:
    """One field: its values from `low` to `high`, `size` of them that differ, and the names of the first ones."""

    title: str
    low: int
    high: int
    size: int
    expected: str
    names: tuple[str, ...] = ()

    def value(self, text: str) -> int | None:
        """Returns the value that a number or name stands for."""
        if text.lower() in self.names:
            return self.low + self.names.index(text.lower())
        found = int(text) if text.isdecimal() and text.isascii() and len(text) < 4 else -1
        return found if self.low <= found <= self.high else None


_MINUTE = _Field(N_("minute field"), 0, 59, 60, msg("a minute from 0 to 59 in the first field"))
_HOUR = _Field(N_("hour field"), 0, 23, 24, msg("an hour from 0 to 23 in the second field"))
_DAY = _Field(
    N_("day field"), 1, 31, 31, msg("a day from 1 to 31 that comes in a fitting month, or L, in the third field")
)
_MONTH = _Field(
    N_("month field"), 1, 12, 12, msg("a month from 1 to 12, or jan to dec, in the fourth field"), MONTH_NAMES
)
_WEEKDAY = _Field(
    N_("weekday field"), 0, 7, 7, msg("a weekday from 0 (Sunday) to 7, or sun to sat, in the fifth field"), DAY_NAMES
)
FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
NO_SUCH_DAY = _DAY.expected


def problem_of(fields: str) -> str | None:
    """Returns what was expected instead of five fields; None if each is one."""
    for field, text in zip(FIELDS, fields.split(), strict=True):
        for part in text.split(","):
            problem = _problem_of(field, part)
            if problem is not None:
                return problem
    return None


def _problem_of(field: _Field, part: str) -> str | None:
    base, slash, step = part.partition("/")
    expected = msg("{expected}, not {part}", expected=field.expected, part=part or "''")
    if slash and not (step.isdecimal() and step.isascii()):
        return expected
    if slash and not 1 <= int(step[:9]) <= field.size:
        return msg(
            "a step from 1 to {most} in the {field}, not {part}", most=field.size, field=Word(field.title), part=part
        )
    if base == "*" or (not slash and _is_special(field, base)):
        return None
    low, dash, high = base.partition("-")
    ends = [field.value(one) for one in ([low, high] if dash else [low])]
    if any(one is None for one in ends):
        return expected
    first, last = ends[0], ends[-1]
    if first is not None and last is not None and last < first:
        return msg(
            "a range in the {field} that does not run backwards as {part} does", field=Word(field.title), part=part
        )
    return None


def _is_special(field: _Field, base: str) -> bool:
    """Returns True for L and LW of days, and for 5L and 1#2 of weekdays."""
    if field is _DAY:
        return base.upper() in ("L", "LW")
    if field is not _WEEKDAY:
        return False
    day, hash_, nth = base.partition("#")
    if hash_:
        return field.value(day) is not None and nth in ("1", "2", "3", "4", "5")
    return len(base) == 2 and base[0].isdecimal() and field.value(base[0]) is not None and base[1] in "lL"
