"""Says in words when a schedule fires: every weekday at 07:30 Berlin time (pure).

The words are made of the minutes, hours, days and months at which it fires, never of how the expression writes them,
so what they say holds. What can't be said in short is named by its expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cronsim import CronSim

from taskyard.core.humanize import duration
from taskyard.core.i18n import msg
from taskyard.core.schedules.day_words import days_in_words
from taskyard.core.schedules.timing import Timing
from taskyard.core.schedules.zone_words import zone_words

MAX_TIMES = 6  # of a day that are listed
MAX_MINUTES = 12  # of an hour
_ALL_HOURS = list(range(24))
_HOUR = 60  # minutes


@dataclass(frozen=True, slots=True)
class _Said:
    """Words for the times of a day.

    `names_day`: they need no "every day" before. `is_interval`: an interval that also holds from one day to the next.
    """

    text: str
    names_day: bool = False
    is_interval: bool = False


def in_words(timing: Timing) -> str:
    """Returns when it fires, as a text to translate; times are those of the schedule's zone."""
    if timing.cron is None:
        assert timing.interval_seconds is not None
        return msg("every {span}", span=duration(timing.interval_seconds))
    sim = timing.cron.parsed()
    clock, days, zone = _clock(timing, sim), days_in_words(sim), zone_words(timing.zone.key)
    if clock is None or days is None:
        return msg("by cron {expression}, {zone}", expression=timing.cron.text, zone=zone)
    if days:
        said: str = msg("{days} {clock}", days=days, clock=clock.text)
    elif clock.is_interval:
        return clock.text  # the same in all zones
    elif clock.names_day:
        said = clock.text
    else:
        said = msg("every day {clock}", clock=clock.text)
    return msg("{when} {zone}", when=said, zone=zone)


def _clock(timing: Timing, sim: CronSim) -> _Said | None:
    """Returns the times of a day at which it fires; None if they can't be said in short."""
    minutes, hours = sorted(sim.minutes), sorted(sim.hours)
    step = _step_of(minutes, _HOUR)
    if hours == _ALL_HOURS and step is not None and minutes[0] == 0 and _holds(timing, step):
        return _Said(_every(step), names_day=True, is_interval=True)
    times = [_HOUR * hour + minute for hour in hours for minute in minutes]
    if len(times) <= MAX_TIMES:
        return _Said(msg("at {times}", times=", ".join(map(_time, times))))
    gap = _gap_of(times)
    if gap is not None:
        return _Said(
            msg("{every} from {first} to {last}", every=_every(gap), first=_time(times[0]), last=_time(times[-1]))
        )
    if len(minutes) > MAX_MINUTES:
        return None
    said = msg("at minute {minutes}", minutes=", ".join(map(str, minutes)))
    if hours == _ALL_HOURS:
        return _Said(msg("{minutes} of every hour", minutes=said), names_day=True)
    return _Said(msg("{minutes} of the hours {hours}", minutes=said, hours=", ".join(map(str, hours))))


def _every(minutes: int) -> str:
    if minutes == 1:
        return msg("every minute")
    if minutes == _HOUR:
        return msg("every hour")
    if minutes % _HOUR == 0:
        return msg("every {n} hours", n=minutes // _HOUR)
    return msg("every {n} minutes", n=minutes)


def _holds(timing: Timing, step: int) -> bool:
    """Returns True if clock times that are `step` minutes apart all day stay so when clocks change."""
    assert timing.cron is not None
    year = timing.anchor.year
    noons = (datetime(year + later, month, 15, 12) for later in (0, 1) for month in range(1, 13))
    offsets = sorted({noon.replace(tzinfo=timing.zone).utcoffset() or noon - noon for noon in noons})
    if len(offsets) == 1:
        return True
    changes = [int((later - earlier).total_seconds()) // 60 for earlier, later in pairwise(offsets)]
    return timing.cron.follows_clock and all(change % step == 0 for change in changes)


def _step_of(numbers: Sequence[int], whole: int) -> int | None:
    """Returns n if the numbers are each n-th of `whole`, also from one whole to the next."""
    step = whole // len(numbers)
    return step if list(numbers) == list(range(numbers[0], whole, step)) and whole % step == 0 else None


def _gap_of(times: Sequence[int]) -> int | None:
    gaps = {later - earlier for earlier, later in pairwise(times)}
    return gaps.pop() if len(gaps) == 1 else None


def _time(minutes: int) -> str:
    return f"{minutes // _HOUR:02d}:{minutes % _HOUR:02d}"
