"""Replays in a process of their own: results, progress, refusals, and that they can be ended."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import TranslatableText
from taskyard.core.postgres.database import Database
from taskyard.core.simulation.simulate import no_progress
from taskyard.core.views import replay_process
from taskyard.core.views.replay_process import AskedReplay, ReplayProcess
from taskyard.core.views.replays import replayed
from tests.made_history import DAY, put_history
from tests.outages import database_away
from tests.servers import wait_until

plain = st.text(st.characters(exclude_characters="{}", codec="utf-8"))
texts = st.recursive(
    plain,
    lambda inner: st.builds(
        lambda text, one, count: TranslatableText(f"{text} {{one}} {{count}}", {"one": one, "count": count}),
        plain,
        inner,
        st.integers(-(2**53), 2**53),
    ),
)


def asked(**changes: object) -> AskedReplay:
    now = time.time()
    one = AskedReplay(now - 200 * DAY, now, "learned", None, "least_loaded", {})
    return replace(one, **changes)  # type: ignore[arg-type]


def url_of(settings: Settings) -> str:
    return str(settings.database_url)


def children() -> set[int]:
    """Processes of replays that this one has started."""
    found = set()
    for child in psutil.Process(os.getpid()).children():
        try:
            if replay_process.CHILD in child.cmdline():
                found.add(child.pid)
        except psutil.Error:
            continue
    return found


def test_its_result_is_that_of_this_process_and_progress_grows(settings: Settings, database: Database) -> None:
    put_history(database, 1_000)
    one = asked()
    shares: list[float] = []
    found = ReplayProcess(url_of(settings), one).run(shares.append)

    assert found == replayed(database, one.acting_of, one.since, one.until, "learned")
    assert found.replay is not None
    assert found.replay.tasks == 1_000
    assert shares == sorted(set(shares))
    assert len(shares) > 10
    assert 0 < shares[0] <= shares[-1] <= 1
    assert children() == set()

    of_queue = asked(placement="round_robin", placement_by_queue={"default": "learned"}, queue="default")
    same = ReplayProcess(url_of(settings), of_queue).run(no_progress)
    assert same is not None
    assert same.replay is not None
    assert same.replay.base == same.replay.compared  # learned is what acts there
    other = ReplayProcess(url_of(settings), replace(of_queue, queue="none-such")).run(no_progress)
    assert other is not None
    assert (other.replay, other.is_of_others) == (None, True)


def test_refusals_come_as_they_are(settings: Settings, server_endpoints: Endpoints, database: Database) -> None:
    with pytest.raises(Unavailable, match="policy: 'best' is not accepted, expected one of") as refused:
        ReplayProcess(url_of(settings), asked(policy="best")).run(no_progress)
    assert isinstance(refused.value.text, TranslatableText)  # in the reader's language
    with (
        database_away(settings.database_url, server_endpoints.database_url),
        pytest.raises(Unavailable, match="PostgreSQL"),
    ):
        ReplayProcess(url_of(settings), asked()).run(no_progress)


def test_one_that_is_stopped_ends_at_once_and_has_no_result(settings: Settings, database: Database) -> None:
    put_history(database, 3_000)
    process = ReplayProcess(url_of(settings), asked())
    results: list[object] = []
    has_begun = threading.Event()
    thread = threading.Thread(target=lambda: results.append(process.run(lambda share: has_begun.set())))
    thread.start()
    assert has_begun.wait(60)
    assert len(children()) == 1
    process.stop()
    thread.join(5)
    assert results == [None]
    assert children() == set()

    early = ReplayProcess(url_of(settings), asked())
    early.stop()
    assert early.run(no_progress) is None


def test_one_that_takes_too_long_or_dies_says_so(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_history(database, 3_000)
    with pytest.raises(Unavailable, match="the replay ended without a result: it took too long"):
        ReplayProcess(url_of(settings), asked(), timeout_seconds=0.02).run(no_progress)

    def killed(share: float) -> None:
        for pid in children():
            psutil.Process(pid).kill()

    with pytest.raises(Unavailable, match="the log of this server has the details"):
        ReplayProcess(url_of(settings), asked()).run(killed)
    monkeypatch.setattr(replay_process.sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable, match="the replay can't start"):
        ReplayProcess(url_of(settings), asked()).run(no_progress)
    wait_until(lambda: children() == set())


def test_the_address_of_the_database_is_no_argument(settings: Settings, database: Database) -> None:
    put_history(database, 3_000)
    lines: list[list[str]] = []

    def look(share: float) -> None:
        lines.extend(psutil.Process(pid).cmdline() for pid in children())

    ReplayProcess(url_of(settings), asked()).run(look)
    assert lines
    assert not any(url_of(settings) in part for line in lines for part in line)


@given(texts)
def test_texts_keep_what_translates_them(text: str) -> None:
    stored = msgspec.json.encode(replay_process.packed(text))
    found = replay_process.unpacked(msgspec.json.decode(stored))
    assert found == text
    assert isinstance(found, TranslatableText) is isinstance(text, TranslatableText)
    if isinstance(text, TranslatableText):
        assert (found.template, found.values) == (text.template, text.values)
