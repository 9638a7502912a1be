"""Pages' addresses with odd values: no stack trace, a note that names them, and a page that makes sense."""

from __future__ import annotations

import random

import pytest

from taskyard.dashboard.navigation import VIEWS_BY_NAME
from tests.dashboard.conftest import OpenPage
from tests.effort import ADDRESS_PAGES, ADDRESS_SEED

ODD = (
    "", " ", "\x00", "a\x00b", "\ufffd", "\ufdd0\U0010ffff", "-1", "0", "NaN", "inf", "1e400", "99999999999999999999",
    "null", "[]", "{}", "a" * 9000, ",", ",,,,", "a,b,c" * 400, "../..", "%00", "'; DROP TABLE tasks; --",
    "<script>1</script>",
    "0001-01-01T00:00", "9999-12-31T23:59:59+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "10000-01-01",
    "-0001-01-01", "2026-01-01T00:00+99:00", "24h", "-24h", "999999999999d", "1e9d",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff", "0199c0de-0000-7000-8000-00000000000", "～", "١٢٣", "\u202e\u200b", "\r\n",
    "$.a[", "$[*] ? (@ like_regex \"(((\")", "strict $.a", "2026-01-01T00:00:00~1.2", "2026-01-01~9999999999.99999",
)  # fmt: skip


def address(rng: random.Random, view: str) -> dict[str, str | list[str]]:
    known = VIEWS_BY_NAME[view].parameters
    names = rng.sample(known, rng.randrange(1, min(len(known), 4) + 1))
    if rng.random() < 0.2:
        names.append(rng.choice(("language", "nothing", "\x00", "embed", "x" * 300)))
    return {name: [rng.choice(ODD), rng.choice(ODD)] if rng.random() < 0.1 else rng.choice(ODD) for name in names}


@pytest.mark.parametrize("view", sorted(VIEWS_BY_NAME))
def test_no_odd_address_breaks_a_page(open_page: OpenPage, view: str, loaded: dict[str, str]) -> None:
    rng = random.Random(f"{ADDRESS_SEED} {view}")
    for _case in range(max(1, ADDRESS_PAGES)):
        query = address(rng, view)
        page = open_page(view, query=query)  # type: ignore[arg-type]

        assert not page.exception, (query, page.exception)
        assert "could not be shown" not in " ".join(error.value for error in page.error), query
        assert page.title, query


@pytest.mark.parametrize(
    ("view", "query", "note"),
    [
        ("queues", {"queue": "\x00"}, "queue: 'x00' is not accepted, expected a text without control characters"),
        ("agents", {"agent": ["a", "b"]}, "expected one value, but it is given 2 times"),
        ("tasks", {"sort": "sideways"}, "expected one of newest, oldest"),
        ("tasks", {"state": "failed"}, "state: 'failed' is not accepted, expected a known parameter: one of states"),
        ("queues", {"name": "a"}, "one of queue, view, sort, state, find, range, lang"),
        ("audit", {"since": "yesterday", "time": "between"}, "expected a date and time such as"),
        ("reports", {"period": "never"}, "expected one of yesterday"),
        ("system", {"part": "nothing"}, "expected one of servers"),
        ("learning", {"type": "a"}, "expected a known parameter: one of show, range, types, compared, queue, span"),
        ("failures", {"muted": "yes"}, "muted: 'yes' is not accepted, expected 1, or nothing"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_above_the_page(
    open_page: OpenPage, view: str, query: dict[str, str], note: str
) -> None:
    page = open_page(view, query=query)

    assert not page.exception
    said = [warning.value.replace("\\", "") for warning in page.warning]
    assert any(note in text for text in said), said


def test_a_note_goes_with_the_address_that_it_is_about(open_page: OpenPage) -> None:
    page = open_page("queues", query={"queue": "\x00"})
    assert page.warning
    assert "queue" not in page.query_params
    page.run()
    assert page.warning  # a page may be run again before somebody has read it

    other = page.switch_page("../pages/agents/page.py").run()
    assert not [warning.value for warning in other.warning if "not accepted" in warning.value]
