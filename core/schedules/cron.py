"""Reads cron expressions and finds their fire times in a time zone (pure).

cronsim steps through wall-clock times, of which it knows no zone here; this module turns them into instants, because
no library got all of both clock changes right (docs/design/schedules.md has the comparison).

A time of day that is skipped by a clock change fires at the moment of the change, one that comes twice fires the
first time. Expressions whose minute or hour begins with `*` follow the clock instead: they fire each time that the
clock shows a fitting time, so not in a skipped hour, and twice in a doubled one. That is what Debian's cron does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from taskyard.core.i18n import msg
from taskyard.core.payload.culprits import refused
from taskyard.core.schedules.cron_fields import NO_SUCH_DAY, problem_of

MAX_CRON_LENGTH = 200
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EXPECTED = msg("five fields (minute, hour, day, month, weekday) such as 30 7 * * mon-fri, or @hourly, @daily …")
_LONGEST_FOLD = timedelta(hours=3)  # by which clocks are put back at most
_PROBE = datetime(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid expression: `text` as given, `fields` the five fields without nicknames."""

    text: str
    fields: str

    @property
    def follows_clock(self) -> bool:
        """Returns True if it fires each time that the clock shows a fitting time."""
        minute, hour = self.fields.split()[:2]
        return minute.startswith("*") or hour.startswith("*")

    def parsed(self) -> CronSim:
        """Returns its fields as sets of numbers."""
        return CronSim(self.fields, _PROBE)

    def next_after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Returns the first fire time after an aware moment, in UTC; None if there is none for 50 years."""
        local = moment.astimezone(zone)
        is_near_fold = (local - _LONGEST_FOLD).utcoffset() != (local + _LONGEST_FOLD).utcoffset()
        start = local.replace(tzinfo=None) - (_LONGEST_FOLD if is_near_fold else timedelta(0))
        best: datetime | None = None
        for wall in CronSim(self.fields, start):
            if best is not None and wall.replace(tzinfo=zone).astimezone(UTC) >= best:
                break
            later = [instant for instant in self._instants(wall, zone) if instant > moment]
            if later:
                best = later[0] if best is None else min(best, later[0])
                if not is_near_fold:
                    break
        return best

    def _instants(self, wall: datetime, zone: ZoneInfo) -> list[datetime]:
        """Returns the moments at which a wall-clock time fires, in UTC: none, one, or both of a doubled hour."""
        first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first == second:
            return [first]
        if first < second:  # it comes twice
            return [first, second] if self.follows_clock else [first]
        return [] if self.follows_clock else [_end_of_gap(second, first, zone)]


def check_cron(value: object) -> Cron:
    """Returns a valid expression; raises SubmissionError."""
    if not isinstance(value, str) or len(value) > MAX_CRON_LENGTH:
        raise refused("cron", value, _EXPECTED)
    text = " ".join(value.split())
    fields = NICKNAMES.get(text.lower(), text)
    if len(fields.split()) != 5:
        raise refused("cron", value, _EXPECTED)
    problem = problem_of(fields)
    if problem is not None:
        raise refused("cron", value, problem)
    try:
        has_any = next(CronSim(fields, _PROBE), None) is not None
    except CronSimError as error:
        raise refused("cron", value, NO_SUCH_DAY if "day-of-month" in str(error) else _EXPECTED) from None
    if not has_any:
        raise refused("cron", value, msg("a time that comes in the next 50 years"))
    return Cron(text, fields)


def _end_of_gap(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Returns the moment of a clock change between two moments in UTC, to the second."""
    low, high = before, after
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset():
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
