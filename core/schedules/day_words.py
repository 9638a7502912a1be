"""Says in words on which days a cron expression fires: every weekday in January (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from cronsim import CronSim

from taskyard.core.i18n import N_, TranslatableText, msg

_DAYS = (
    N_("Sunday"), N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"),
)  # fmt: skip
_MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"),
    N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip
_ORDINALS = (N_("first"), N_("second"), N_("third"), N_("fourth"), N_("fifth"))
_ALL_DAYS, _ALL_MONTHS, _ALL_WEEKDAYS = set(range(1, 32)), set(range(1, 13)), set(range(7))
MAX_DAYS = 12  # of a month that are listed


def days_in_words(sim: CronSim) -> str | None:
    """Returns on which days it fires: an empty text for all of them, None if that can't be said in short."""
    weekdays = {one if isinstance(one, tuple) else one % 7 for one in sim.weekdays}
    is_any_day, is_any_weekday = sim.days >= _ALL_DAYS, weekdays >= _ALL_WEEKDAYS
    found = ""
    if not (is_any_day and is_any_weekday) and (sim.day_and or not (is_any_day or is_any_weekday)):
        by_date = "" if is_any_day else _by_date(sim.days)
        by_week = "" if is_any_weekday else _by_week(weekdays)
        if by_date is None:
            return None
        found = by_date or by_week
        if by_date and by_week:
            found = (
                msg("{days} if also {others}", days=by_date, others=by_week)
                if sim.day_and
                else msg("{days} and also {others}", days=by_date, others=by_week)
            )
    if sim.months >= _ALL_MONTHS:
        return found
    months = _joined(_name(_MONTHS[month - 1]) for month in sorted(sim.months))
    if found:
        return msg("{days} in {months}", days=found, months=months)
    return msg("every day in {months}", months=months)


def _by_date(days: set[int]) -> str | None:
    listed = sorted(day for day in days if day > 0)
    if len(listed) > MAX_DAYS:
        return None
    said: list[str] = []
    if listed:
        said.append(msg("on day {days} of the month", days=", ".join(map(str, listed))))
    if CronSim.LAST in days:
        said.append(msg("on the last day of the month"))
    if CronSim.LAST_WEEKDAY in days:
        said.append(msg("on the last weekday of the month"))
    return _joined(said)


def _by_week(weekdays: set[int | tuple[int, int]]) -> str:
    plain = sorted(one for one in weekdays if isinstance(one, int))
    said: list[str] = []
    if plain == [1, 2, 3, 4, 5]:
        said.append(msg("every weekday"))
    elif plain == [0, 6]:
        said.append(msg("every Saturday and Sunday"))
    elif plain:
        said.append(msg("every {days}", days=_joined(_name(_DAYS[day]) for day in plain)))
    for day, nth in sorted({(one[0] % 7, one[1]) for one in weekdays if isinstance(one, tuple)}):
        if nth == CronSim.LAST:
            said.append(msg("on the last {day} of the month", day=_name(_DAYS[day])))
        else:
            said.append(msg("on the {nth} {day} of the month", nth=_name(_ORDINALS[nth - 1]), day=_name(_DAYS[day])))
    return _joined(said)


def _name(word: str) -> TranslatableText:
    """Returns the name of a day or a month, or an ordinal, as a text to translate."""
    return TranslatableText(word, {})


def _joined(words: Iterable[str]) -> str:
    *others, said = list[str](words) or [""]
    for one in reversed(others):
        said = msg("{one}, {others}", one=one, others=said)
    return said
