"""Says in words when a schedule fires: every weekday at 07:30 Berlin time (pure)."""

from __future__ import annotations

from taskyard.core.humanize import duration
from taskyard.core.i18n import N_, TranslatableText, Word, msg
from taskyard.core.schedules.timing import Timing

_DAYS = (
    N_("Sunday"), N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"),
)  # fmt: skip
_MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"),
    N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EVERY = "*"
MAX_TIMES = 6  # of a day that are listed


def in_words(timing: Timing) -> str:
    """Returns when it fires, as a text to translate; times are those of the schedule's zone."""
    if timing.cron is None:
        assert timing.interval_seconds is not None
        return msg("every {span}", span=duration(timing.interval_seconds))
    minute, hour, day, month, weekday = timing.cron.fields.lower().split()
    when = _clock(minute, hour)
    days = _days(day, month, weekday)
    if hour == _EVERY and days is None:
        return when  # the same in all zones, but for odd ones
    if hour == _EVERY or _step(hour) is not None:
        said: str = when if days is None else msg("{clock}, {days}", clock=when, days=days)
    elif days is None:
        said = msg("every day {clock}", clock=when)
    else:
        said = msg("{days} {clock}", days=days, clock=when)
    return msg("{when} {zone}", when=said, zone=zone_words(timing.zone.key))


def zone_words(name: str) -> str:
    """Returns a time zone as people name it: Berlin time."""
    if name in ("UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu"):
        return "UTC"
    return msg("{place} time", place=name.rpartition("/")[2].replace("_", " "))


def _clock(minute: str, hour: str) -> TranslatableText:
    minutes, hours = _numbers(minute), _numbers(hour)
    if minutes and hours and len(minutes) * len(hours) <= MAX_TIMES:
        return msg("at {times}", times=", ".join(f"{h:02d}:{m:02d}" for h in hours for m in minutes))
    past = _minutes_past(minute, minutes)
    if hour == _EVERY:
        return past
    step = _step(hour)
    if step is not None:
        return msg("every {n} hours", n=step) if minutes == [0] else msg("{past} every {n} hours", past=past, n=step)
    return msg("{past} in the hours {hours}", past=past, hours=hour)


def _minutes_past(minute: str, minutes: list[int]) -> TranslatableText:
    if minute == _EVERY:
        return msg("every minute")
    step = _step(minute)
    if step is not None:
        return msg("every {n} minutes", n=step)
    if minutes == [0]:
        return msg("every hour")
    return msg("at minute {minutes}", minutes=", ".join(map(str, minutes)) if minutes else minute)


def _days(day: str, month: str, weekday: str) -> TranslatableText | None:
    """Returns the days on which it fires; None for all of them."""
    by_date = None if day == _EVERY else _by_date(day)
    by_week = None if weekday == _EVERY else _by_week(weekday)
    found = by_date or by_week
    if by_date is not None and by_week is not None:
        if day.startswith(_EVERY) or weekday.startswith(_EVERY):
            found = msg("{days} if also {others}", days=by_date, others=by_week)
        else:
            found = msg("{days} and also {others}", days=by_date, others=by_week)
    if month == _EVERY:
        return found
    months = _named(month, _MONTH_NAMES, _MONTHS, first=1)
    return (
        msg("{days} in {months}", days=found, months=months) if found else msg("every day in {months}", months=months)
    )


def _by_date(day: str) -> TranslatableText:
    if day == "l":
        return msg("on the last day of the month")
    if day == "lw":
        return msg("on the last weekday of the month")
    step = _step(day)
    if step is not None:
        return msg("every {n} days from the first of the month", n=step)
    return msg("on day {days} of the month", days=day.replace(",", ", "))


def _by_week(weekday: str) -> TranslatableText:
    days = _week(weekday)
    if days == [1, 2, 3, 4, 5]:
        return msg("every weekday")
    if days == [0, 6]:
        return msg("every Saturday and Sunday")
    return msg("every {days}", days=_named(weekday, _DAY_NAMES, _DAYS, first=0))


def _week(weekday: str) -> list[int]:
    numbers = {number % 7 for number in _numbers(_as_numbers(weekday, _DAY_NAMES, 0))}
    return sorted(numbers)


def _named(text: str, short: tuple[str, ...], long: tuple[str, ...], *, first: int) -> str:
    """Returns names for a list of numbers; anything else as it was written."""
    numbers = _numbers(_as_numbers(text, short, first))
    if not numbers:
        return text
    words: list[str] = [Word(long[(number - first) % len(long)]) for number in numbers]
    *others, said = words
    for one in reversed(others):
        said = msg("{one}, {others}", one=one, others=said)
    return said


def _as_numbers(text: str, names: tuple[str, ...], first: int) -> str:
    for at, name in enumerate(names):
        text = text.replace(name, str(at + first))
    return text


def _numbers(field: str) -> list[int]:
    """Returns the numbers of a field of single ones and ranges; empty for all others."""
    found: list[int] = []
    for part in field.split(","):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            return []
        found += range(int(low), int(high if dash else low) + 1)
    return sorted(set(found))


def _step(field: str) -> int | None:
    """Returns n of `*/n`."""
    every, _, step = field.partition("/")
    return int(step) if every == _EVERY and step.isdecimal() else None
