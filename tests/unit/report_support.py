"""Reports for tests: one in which everything that others may name is hostile, and one of no events."""

from __future__ import annotations

from taskyard.core.postgres.store.history import Point
from taskyard.core.postgres.store.rollups import HOUR, MINUTE
from taskyard.core.reports.data.build import build, moment
from taskyard.core.reports.data.facts import AgentRuns, Facts, Load, Peak, Presence, Side
from taskyard.core.reports.data.outages import LedUnit
from taskyard.core.reports.data.report import AlertLine, FailureLine, Report, Scope
from taskyard.core.reports.data.terms import Terms
from taskyard.core.telemetry.histogram import Histogram

START = 1_790_000_000 // HOUR * HOUR
HOSTILE = (
    '=HYPERLINK("http://example.org","x")',
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "#panic() $x$ *b* `c` \\u{41} // not markup",
    "%{x} {nothing} {0} %s",
    "Ελληνικά Кириллица 中文任务标题 日本語 한국어 العربية 🎉",
    "\u202etxet\x1b[31m\x07\ttab\nline",
    "long" * 500,
)


def point(at: float, *, completed: int, failed: int = 0, retried: int = 0) -> Point:
    """What happened in a step; each attempt waited 50 ms and ran for a second."""
    attempts = completed + failed + retried
    return Point(
        at,
        submitted=completed + failed,
        completed=completed,
        failed=failed,
        retried=retried,
        failures={"timeout": failed + retried} if failed + retried else {},
        cpu_seconds=0.5 * attempts,
        wait=Histogram.of([0.05] * attempts),
        run=Histogram.of([1.0] * attempts),
        total=Histogram.of([2.0] * (completed + failed)),
    )


def hostile_report() -> Report:
    """Six hours in hourly steps, with a type, an agent and a failure for each of HOSTILE."""
    since = float(START)
    hours = [since + HOUR * n for n in range(6)]
    types = {name: point(0.0, completed=10 + n, failed=n, retried=1) for n, name in enumerate(HOSTILE)}
    failures = [
        FailureLine(f"f{n}", name, "timeout", name, 9 - n, 1, n, moment(since), moment(since + 60), n == 0)
        for n, name in enumerate(HOSTILE)
    ]
    now = Side(
        since,
        since + 6 * HOUR,
        [point(at, completed=20, failed=2, retried=3) for at in hours],
        types,
        [Load(at, HOSTILE[0], 360, 540.0, 180.0) for at in hours],
        360,
        types,
    )
    before = Side(
        since - 6 * HOUR,
        since,
        [point(since - HOUR, completed=50)],
        {"old.type": types[HOSTILE[0]]},
        [],
        300,
        {HOSTILE[1]: point(0.0, completed=5)},
    )
    return build(
        Facts(
            scope=Scope(HOSTILE[1], HOSTILE[0]),
            made_at=since + 7 * HOUR,
            step_seconds=HOUR,
            unit_seconds=MINUTE,
            now=now,
            before=before,
            first_led=since - 6 * HOUR,
            agents=[AgentRuns(name, 5, 1, 0, 6, 6.0, 12.0) for name in HOSTILE],
            presence={HOSTILE[0]: Presence(3, 3 * 6 * HOUR)},
            failures=failures,
            failures_left_out=2,
            led_units=[LedUnit(at, HOUR, 20) for at in hours[:3]],
            alerts=[AlertLine(name, "", name, "critical", 2, 90.0, moment(since), True) for name in HOSTILE],
            alerts_left_out=1,
            terms=Terms(installation=HOSTILE[2]),
            peaks=[Peak(MINUTE, since + 600, 7), Peak(HOUR, since, 22)],
        )
    )


def empty_report() -> Report:
    """An hour in which nothing happened."""
    now = Side(float(START), float(START + HOUR), [], {}, [], 0)
    before = Side(float(START - HOUR), float(START), [], {}, [], 0)
    return build(Facts(Scope(), START + 2.0 * HOUR, MINUTE, MINUTE, now, before, None))
