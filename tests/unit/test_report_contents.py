"""What reports say of a period: its steps, targets, movers, outages, and two sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import ALL_PERMISSIONS
from taskyard.core.postgres.store.history import STEPS_SECONDS, Point, step_for
from taskyard.core.postgres.store.rollups import DAY, HOUR, LEVELS, MINUTE, TEN_MINUTES
from taskyard.core.reports import render
from taskyard.core.reports.data.buckets import begins, grain
from taskyard.core.reports.data.build import build
from taskyard.core.reports.data.facts import AgentRuns, Facts, Load, Presence, Side
from taskyard.core.reports.data.outages import LedUnit, outages
from taskyard.core.reports.data.report import AlertLine, FailureLine, Report, Scope
from taskyard.core.reports.data.targets import target_lines
from taskyard.core.reports.data.terms import Targets, Terms
from taskyard.core.reports.render.summary import summary
from taskyard.core.reports.render.wording import Wording
from taskyard.core.telemetry.histogram import Histogram
from taskyard.core.views.masking import masked_report
from tests.unit.report_support import START, empty_report, moment, point

ZONES = [UTC, *map(ZoneInfo, ("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York"))]


# steps


@given(
    st.integers(1_760_000_000 // MINUTE, 1_800_000_000 // MINUTE).map(lambda minutes: float(minutes * MINUTE)),
    st.integers(1, 100 * 24 * 60),
    st.sampled_from(ZONES),
)
def test_every_step_but_the_last_is_whole_and_days_begin_by_the_readers_clock(
    since: float, minutes: int, zone: ZoneInfo
) -> None:
    until, step = since + minutes * MINUTE, step_for(minutes * MINUTE)
    found = begins(since, until, step, MINUTE, zone)
    assert since - step - HOUR < found[0] <= since
    assert found[-1] < until
    for one, following in itertools.pairwise(found):
        assert step - HOUR <= following - one <= step + HOUR, "an hour more or less where clocks change"
    local = [datetime.fromtimestamp(at, zone) for at in found]
    if step <= HOUR:
        assert (found[0], found[-1] + step >= until) == (since, True), "no longer than was asked for"
    elif step == DAY:
        assert {(at.hour, at.minute) for at in local} <= {(0, 0)}
    read = grain(found, step)
    assert read in LEVELS
    assert all(at % read == 0 for at in found)


def test_days_are_the_readers() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    since = datetime(2026, 11, 2, tzinfo=shanghai)
    until = since + timedelta(days=30)
    found = begins(since.timestamp(), until.timestamp(), DAY, MINUTE, shanghai)
    assert [f"{datetime.fromtimestamp(at, UTC):%d %H:%M}" for at in found[:2]] == ["01 16:00", "02 16:00"]
    assert (len(found), grain(found, DAY)) == (30, HOUR)
    # where only days are kept, they are UTC's
    kept = begins(since.timestamp(), until.timestamp(), DAY, DAY, shanghai)
    assert all(at % DAY == 0 for at in kept)
    # a day of 25 hours is one step, an hour that comes twice is two
    berlin = ZoneInfo("Europe/Berlin")
    day = datetime(2026, 10, 25, tzinfo=berlin).timestamp()
    assert begins(day, day + 26 * HOUR, DAY, MINUTE, berlin) == [day, day + 25 * HOUR]
    assert len(begins(day, day + 25 * HOUR, HOUR, MINUTE, berlin)) == 25


def test_levels_lie_within_steps() -> None:
    assert grain([0.0, 6.0 * HOUR], 6 * HOUR) == HOUR
    assert grain([30.0 * MINUTE], HOUR) == TEN_MINUTES
    assert grain([15.0 * MINUTE], HOUR) == MINUTE
    assert all(grain([0.0], step) <= step for step in STEPS_SECONDS)


# targets


def test_error_budgets() -> None:
    now = Point(0.0, completed=990, failed=10, wait=Histogram.of([1.0] * 980 + [60.0] * 20))
    before = Point(0.0, completed=1000)
    success, start = target_lines(Targets(0.99, 0.99, 10.0), now, before)
    assert (success.measured, success.missed, success.share) == (1000, 10, 0.99)
    assert (success.used, success.used_before) == (pytest.approx(1.0), 0.0)
    assert (start.missed, start.allowed, start.used) == (20, pytest.approx(10), pytest.approx(2.0))
    assert (start.limit_seconds, start.used_before) == (10.0, None)
    assert target_lines(Targets(), Point(0.0), Point(0.0))[0].share is None


# outages


@pytest.mark.parametrize(
    ("minutes", "wanted"),
    [
        (range(60), []),
        (range(58), [(58, 60, 2)]),
        ([*range(10), *range(11, 60)], []),  # a minute is a restart
        ([*range(10), *range(13, 60)], [(10, 13, 3)]),
        ([], [(0, 60, 60)]),
        (range(5, 30), [(0, 5, 5), (30, 60, 30)]),
    ],
)
def test_outages_of_minutes(minutes: Sequence[int], wanted: list[tuple[int, int, int]]) -> None:
    units = [LedUnit(START + MINUTE * n, MINUTE, 1) for n in minutes]
    found = outages(units, START, START + HOUR)
    shown = [((o.since.timestamp() - START) / MINUTE, (o.until.timestamp() - START) / MINUTE, o.minutes) for o in found]
    assert shown == wanted


def test_outages_of_coarser_units() -> None:
    units = [LedUnit(START + HOUR * n, HOUR, 60) for n in range(8) if n not in (2, 3, 6)]
    units = sorted([*units, LedUnit(START + 3 * HOUR, HOUR, 20)], key=lambda unit: unit.at)
    found = outages(units, START + 30 * MINUTE, START + 7.5 * HOUR)
    assert [(o.since, o.until, o.minutes) for o in found] == [
        (moment(START + 2 * HOUR), moment(START + 4 * HOUR), 100),
        (moment(START + 6 * HOUR), moment(START + 7 * HOUR), 60),
    ]


# the sentences, and what moved


def made(
    types: Mapping[str, tuple[int, int]],
    queues: Mapping[str, tuple[float, float]] | None = None,
    failures: Sequence[FailureLine] = (),
) -> Report:
    """An hour: of each type the failed tasks before and now, of each queue the queue latency before and now."""

    def side(n: int) -> Side:
        points = {name: point(0.0, completed=100, failed=failed[n]) for name, failed in types.items()}
        by_queue = {
            name: replace(point(0.0, completed=50), wait=Histogram.of([waits[n]] * 50))
            for name, waits in (queues or {}).items()
        }
        whole = Point(float(START))
        for one in points.values():
            whole.add(one)
        if by_queue:
            whole.wait = Histogram.of([waits[n] for waits in (queues or {}).values() for _ in range(50)])
        since = float(START + HOUR * (n - 1))
        return Side(since, since + HOUR, [whole], points, [], 60, by_queue)

    facts = Facts(Scope(), START + 2.0 * HOUR, MINUTE, MINUTE, side(1), side(0), None, failures=failures)
    return build(facts)


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        (
            {"a": (10, 20), "b": (5, 8)},
            "Failures rose from 15 to 28 (+86.7%); the largest contributor is a (+10",
        ),
        ({"a": (10, 21)}, "Failures doubled from 10 to 21; the largest contributor is a (+11"),
        ({"a": (20, 10), "b": (1, 1)}, "Failures fell from 21 to 11 (-47.6%); the largest contributor is a (-10"),
        ({"a": (20, 10)}, "Failures halved from 20 to 10; the largest contributor is a (-10"),
        ({"a": (0, 3)}, "3 tasks failed, and none in the period before; the largest contributor is a (+3"),
        ({"a": (3, 0)}, "No task failed, after 3 in the period before; the largest contributor is a (-3"),
        ({"a": (100, 104), "b": (9, 8)}, "Failures barely changed, from 109 to 112; the largest contributor is a (+4"),
        ({"a": (5, 2), "b": (2, 5)}, "Failures stayed the same: 7 failed tasks."),
        ({"a": (0, 0)}, "No task failed, as in the period before."),
    ],
)
def test_the_first_sentence_names_who_contributed_most(types: dict[str, tuple[int, int]], wanted: str) -> None:
    first, _ = summary(made(types), Wording())
    assert first.startswith(wanted)


def test_it_names_the_error_that_grew() -> None:
    lines = [
        FailureLine(name, "a", name, "secret", attempts, before, 1, moment(0), moment(1), False)
        for name, attempts, before in (("timeout", 30, 5), ("permanent", 90, 89))
    ]
    first, _ = summary(made({"a": (10, 40)}, failures=lines), Wording())
    assert first.endswith("(+30; mostly timeout).")
    assert "secret" not in first


def test_the_second_sentence_is_about_work_and_waiting() -> None:
    _, second = summary(made({"a": (0, 0)}, {"slow": (1.0, 60.0), "fast": (0.1, 0.1)}), Wording())
    assert second.startswith("100 tasks completed (+0.0%); 95% of starts came within ")
    assert second.endswith("in the period before, mainly because of queue slow.")
    assert summary(empty_report(), Wording()) == ()


def test_movers_are_those_with_the_largest_effect() -> None:
    types = {f"t{n}": (10, 10 + 5 * n) for n in range(8)} | {"steady": (9, 12)}
    report = made(types, {"slow": (1.0, 60.0), "fast": (0.1, 0.11)})
    assert [one.name for one in report.movers["failures"]] == ["t7", "t6", "t5", "t4", "t3"]
    assert [(one.dimension, one.name) for one in report.movers["wait"]] == [("queue", "slow")]
    assert not report.movers["run"]
    rare = made({"a": (0, 0)}, {})
    assert not any(rare.movers.values())


def test_a_narrowed_role_sees_what_is_its_own() -> None:
    def line(kind: str, subject: str) -> AlertLine:
        return AlertLine(kind, kind, subject, "warning", 1, 1.0, moment(START), False)

    report = made({"own.a": (0, 9), "zebra.b": (0, 99)}, {"own": (1.0, 9.0), "zebra": (1.0, 60.0)})
    alerts = (line("oldest_waiting", "own"), line("oldest_waiting", "zebra"), line("failure_rate", "zebra.b"))
    report = replace(report, alerts=(*alerts, line("", "of a rule that is no longer there")), alerts_left_out=3)
    whole = Actor("ann", "password", ALL_PERMISSIONS)
    assert masked_report(report, whole) == report

    own = masked_report(report, replace(whole, queues=("own*",), types=("own.*",)))
    assert "zebra" not in own.as_json().decode()
    assert [one.subject for one in own.alerts] == ["own"]
    assert own.alerts_left_out == 0
    assert [one.name for one in own.movers["failures"]] == ["own.a"]
    for format in ("html", "csv"):
        assert b"zebra" not in render(own, format)


# files


def test_a_page_of_ninety_days_and_sixty_types_is_small() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    until = datetime(2026, 11, 23, tzinfo=zone).timestamp()
    since, step = until - 90 * DAY, step_for(90.0 * DAY)
    starts = begins(since, until, step, MINUTE, zone)
    names = [f"acme.department_of_everything.render_{n}" for n in range(60)]
    agents = [f"builder-{n}" for n in range(100)]
    side = Side(
        since,
        until,
        [point(at, completed=500 + n, failed=n % 7, retried=n % 11) for n, at in enumerate(starts)],
        {name: point(0.0, completed=100, failed=n) for n, name in enumerate(names)},
        [Load(at, agents[0], 360, 540.0, 180.0) for at in starts],
        60,
        {f"queue-{n}": point(0.0, completed=100) for n in range(60)},
    )
    failures = [
        FailureLine(f"f{n}", names[n], "timeout", "x" * 2_000, 9, 1, n, moment(since), moment(until), False)
        for n in range(50)
    ]
    facts = Facts(
        Scope(),
        until,
        step,
        MINUTE,
        side,
        replace(side, since=since - 90 * DAY, until=since, points=[], loads=[]),
        since,
        agents=[AgentRuns(name, 5, 1, 0, 6, 6.0, 12.0) for name in agents],
        presence={agents[0]: Presence(3, 1.0)},
        failures=failures,
        terms=Terms(zone, "Acme"),
    )
    report = build(facts)
    assert len(report.steps) == 90
    assert all(f"{step.at.astimezone(zone):%H:%M}" == "00:00" and step.seconds == DAY for step in report.steps)
    page = render(report, "html", zone=zone)
    assert len(page) < 500_000
    assert b"Performance report of Acme" in page
