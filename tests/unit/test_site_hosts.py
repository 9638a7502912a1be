"""A site's file of keys, and how a host goes on after seats that fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.engines import site_host
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.handshake import KEY_VARIABLE, key_of
from taskyard.worker.engines.seat_connection import AUTHORITIES_VARIABLE, SITE_VARIABLE, SYSTEM
from taskyard.worker.engines.site_host import (
    MAX_PAUSE_SECONDS,
    MIN_PAUSE_SECONDS,
    STEADY_SECONDS,
    Place,
    Site,
    grace_of,
)
from taskyard.worker.engines.sites import REMEMBERED_SEATS, UsedSeats, read_sites

KEY = "k" * 32


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it names no site"),
        ("berlin", "expected a TOML file with lines such as"),
        ('Berlin = "x"', "site 'Berlin': expected 1 to 41 lower-case letters"),
        ('berlin = "topsecret"', "the key of site 'berlin' is not accepted: expected 32 to 1024 characters"),
        ("berlin = 3", "the key of site 'berlin' is not accepted"),
        (f'[berlin]\nkey = "{KEY}"', "the key of site 'berlin' is not accepted"),
    ],
)
def test_wrong_file_of_sites_is_one_line_without_keys(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "sites.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(EngineProblem) as raised:
        read_sites(str(path))
    assert problem in str(raised.value)
    assert "topsecret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_sites_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sites.toml"
    path.write_text(f'berlin = "{KEY}"\noslo = "{KEY}2"\n', "utf-8")
    assert read_sites(str(path)) == {"berlin": KEY, "oslo": f"{KEY}2"}


@given(st.lists(st.text(max_size=3), max_size=20))
def test_id_of_a_seat_is_used_once(ids: list[str]) -> None:
    used = UsedSeats()
    assert sum(used.use(one) for one in ids) == len(set(ids))


def test_used_ids_do_not_grow_without_end() -> None:
    used = UsedSeats()
    for number in range(REMEMBERED_SEATS + 10):
        assert used.use(f"berlin-{number}")
    assert len(used._ids) == REMEMBERED_SEATS
    assert not used.use(f"berlin-{REMEMBERED_SEATS}")


def test_seat_s_environment_has_its_own_key_and_not_the_site_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_SEAT_CERTIFICATE", "of another desk")
    said = Site("berlin", KEY.encode(), "desk:7070", SYSTEM).environment("berlin-1")
    assert said[KEY_VARIABLE] == key_of(KEY.encode(), "berlin-1")
    assert (said[SITE_VARIABLE], said[AUTHORITIES_VARIABLE]) == ("berlin", SYSTEM)
    assert KEY not in said.values()
    assert "TASKYARD_SEAT_CERTIFICATE" not in said


class Ended:
    """A seat's process."""

    code: int | None = None

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose time stands still, and whose pauses are as long as they may be."""
    now = [1000.0]
    monkeypatch.setattr(site_host, "monotonic", lambda: now[0])
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **named: Ended())
    place = Place(Site("berlin", KEY.encode(), "desk:7070", SYSTEM), jitter=lambda least, most: most)
    place.now = now  # type: ignore[attr-defined]
    return place


def ends(place: Place, code: int, after_seconds: float = 0.0) -> float:
    """Starts a seat and lets it end; returns the pause after it."""
    now: list[float] = place.now  # type: ignore[attr-defined]
    now[0] = max(now[0], place.due_at)
    place.look()
    assert place.process is not None
    now[0] += after_seconds
    place.look()
    assert place.process is not None  # it runs
    place.process.code = code  # type: ignore[attr-defined]
    place.look()
    assert place.process is None
    return place.due_at - now[0]


def test_pause_grows_while_seats_fail_and_not_beyond_its_limit(place: Place) -> None:
    pauses = [ends(place, 1) for _ in range(9)]
    assert pauses[:3] == [MIN_PAUSE_SECONDS, 2 * MIN_PAUSE_SECONDS, 4 * MIN_PAUSE_SECONDS]
    assert pauses[-1] == MAX_PAUSE_SECONDS


@pytest.mark.parametrize(("code", "after_seconds"), [(0, 0.0), (1, STEADY_SECONDS + 1), (-9, STEADY_SECONDS + 1)])
def test_pause_is_short_after_a_seat_that_has_served(place: Place, code: int, after_seconds: float) -> None:
    for _ in range(5):
        ends(place, 1)
    assert ends(place, code, after_seconds) == MIN_PAUSE_SECONDS


def test_hosts_do_not_come_back_at_the_same_time() -> None:
    site = Site("berlin", KEY.encode(), "desk:7070", SYSTEM)
    places = [Place(site) for _ in range(50)]
    for place in places:
        place._failures = 5
        place._wait()
    assert len({round(place.due_at, 3) for place in places}) > 25


def test_grace_is_that_of_agents_hosts_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKYARD_GRACE_SECONDS", raising=False)
    assert grace_of(None) == Settings.model_fields["grace_seconds"].default
    monkeypatch.setenv("TASKYARD_GRACE_SECONDS", "90")
    assert (grace_of(None), grace_of(5.5)) == (90.0, 5.5)


@pytest.mark.parametrize("text", ["-1", "3601", "nan", "soon", ""])
def test_grace_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TASKYARD_GRACE_SECONDS", text)
    with pytest.raises(ConfigurationError, match=r"TASKYARD_GRACE_SECONDS: .* expected 0 to 3600 seconds"):
        grace_of(None)
    with pytest.raises(ConfigurationError, match="--grace-seconds: nan is not accepted"):
        grace_of(float("nan"))
