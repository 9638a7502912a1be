"""Messages that are stored as an id and parameters, and durations in them."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import msgspec
import orjson
import pytest
from msgspec.structs import replace

from taskyard.core.humanize import duration
from taskyard.core.i18n import TranslatableText, msg
from taskyard.core.message_templates import IdentifiedText, MessageTemplate, identified, identity, rendered
from taskyard.core.telemetry.live_snapshot import ServerLive, write_live
from tests.dashboard.snapshots import snapshot

LOST = MessageTemplate(
    "lost", "{agent} was lost {count} times in {window}", one="{agent} was lost once in {window}", durations=("window",)
)
REASON = MessageTemplate("reason", "nobody takes {type}")
WAITS = MessageTemplate("waits", "{share:.0%} wait: {reason}")
ALL = {template.id: template for template in (LOST, REASON, WAITS)}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.0042, "4.2 ms"),
        (0.042, "42 ms"),
        (0.321, "0.32 s"),
        (1.98, "1.98 s"),
        (4.0, "4 s"),
        (42.4, "42 s"),
        (300, "5 min"),
        (400.0, "6 min 40 s"),
        (9000, "2 h 30 min"),
        (2 * 86_400 + 4 * 3600, "2 d 4 h"),
        (-1.0, "0 s"),
        (float("inf"), "inf s"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_a_message_is_a_text_that_knows_what_it_is() -> None:
    text = LOST(agent="a", count=2, window=300.0)

    assert text == "a was lost 2 times in 5 min"
    assert isinstance(text, TranslatableText)
    assert isinstance(text.values["window"], TranslatableText)
    assert identity(text) == ("lost", {"agent": "a", "count": 2, "window": 300.0})


@pytest.mark.parametrize(("count", "is_one"), [(0, False), (1, True), (1.2, True), (0.2, False), (2, False)])
def test_one_has_words_of_its_own(count: float, is_one: bool) -> None:
    assert ("once" in LOST(agent="a", count=count, window=4)) is is_one


def test_a_stored_message_is_rendered_with_the_messages_in_it() -> None:
    text = WAITS(share=0.956, reason=REASON(type="demo.x"))
    message_id, parameters = identity(text)
    stored = orjson.loads(orjson.dumps(parameters))

    again = rendered(ALL, "as it was", message_id, stored)

    assert again == text == "96% wait: nobody takes demo.x"
    assert isinstance(again, IdentifiedText)
    assert identity(again) == (message_id, stored)
    assert isinstance(again.values["reason"], IdentifiedText)


@pytest.mark.parametrize(
    ("message_id", "parameters"),
    [
        (None, None),
        (None, {"type": "x"}),
        ("reason", None),
        ("of a newer release", {"type": "x"}),
        ("reason", {"other": "x"}),
        ("waits", {"share": "much", "reason": "x"}),
        ("lost", {"agent": "a", "window": 4}),
        ("lost", {"agent": "a", "count": None, "window": 4}),
        ("lost", {"agent": "a", "count": "x", "window": 4}),
    ],
)
def test_what_is_not_known_here_stays_the_english_text(message_id: str | None, parameters: Any) -> None:
    assert rendered(ALL, "as it was", message_id, parameters) == "as it was"


def test_a_part_that_is_not_known_here_stays_its_english_text() -> None:
    part = {"id": "of a newer release", "parameters": {}, "text": "it has gone"}
    assert rendered(ALL, "as it was", "waits", {"share": 0.5, "reason": part}) == "50% wait: it has gone"


def test_a_text_is_identified_by_its_template() -> None:
    text = identified(msg("{share:.0%} wait: {reason}", share=0.5, reason=msg(REASON.text, type="x")), ALL.values())

    assert identity(text) == (
        "waits",
        {"share": 0.5, "reason": {"id": "reason", "parameters": {"type": "x"}, "text": "nobody takes x"}},
    )
    assert identity(identified(msg("{n} of another", n=1), ALL.values())) == (None, None)
    assert identity(identified("nobody takes x", ALL.values())) == (None, None)


def test_the_live_snapshot_is_written_with_texts_that_can_be_translated() -> None:
    written: dict[str, Any] = {}
    cache = SimpleNamespace(set_text=lambda name, text, ttl_seconds: written.update(orjson.loads(text)))
    problem = msg("PostgreSQL can't be reached: {reason}", reason="it is away")
    live = replace(snapshot(), servers=[ServerLive("postgresql", False, "", None, {}, problem)])

    write_live(cache, live)  # type: ignore[arg-type]

    assert written["servers"][0]["problem"] == str(problem)
    with pytest.raises(NotImplementedError, match="object"):
        write_live(cache, replace(live, quarantined=object()))  # type: ignore[arg-type]


def test_it_can_be_copied_and_is_a_text_in_json() -> None:
    text = LOST(agent="a", count=1, window=4)
    copied = pickle.loads(pickle.dumps(text))
    assert (copied, identity(copied)) == (text, identity(text))
    assert orjson.loads(orjson.dumps({"reason": text})) == {"reason": str(text)}
    assert msgspec.json.decode(msgspec.json.encode({"reason": str(text)})) == {"reason": str(text)}
