"""Processes of agents that are started ahead of time, and wait until they are told to begin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from taskyard.worker.agents import launching
from taskyard.worker.agents.launch import shown_launch
from taskyard.worker.agents.launching import Launched, LaunchedAhead, launched_ahead
from taskyard.worker.agents.pool_config import AgentSpec, load_pool, plain_agents
from tests.servers import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = "redis://127.0.0.1:1"
SPEC = AgentSpec("early-1", "early", ("diagnostic.*",), (), 1)
SIBLINGS = [
    AgentSpec(f"early-{number}", "early", ("diagnostic.*",), ("é" * number,), 1) for number in (1, 2, 3)
]  # each is longer than the one before, and has more bytes than characters


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LaunchedAhead]:
    monkeypatch.chdir(tmp_path)
    with launched_ahead([SPEC], NOBODY) as ahead:
        yield ahead


@pytest.fixture
def siblings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Launched]]:
    """Three processes, of which the first made the others."""
    monkeypatch.chdir(tmp_path)
    with launched_ahead(SIBLINGS, NOBODY) as ahead:
        found = [launched for spec in SIBLINGS if (launched := ahead.take(spec))]
        yield found
        for one in found:
            one.drop()


def _taken(ahead: LaunchedAhead) -> Launched:
    launched = ahead.take(SPEC)
    assert launched is not None
    return launched


def test_one_that_is_not_told_to_begin_ends_by_itself(ahead: LaunchedAhead) -> None:
    """As when its supervisor is killed, which has the only other end of its pipe."""
    launched = _taken(ahead)
    launched.place.secrets.close()
    wait_until(lambda: launched.process.poll() is not None)
    assert launched.process.returncode == 0
    launched.health.hear()
    assert launched.health.failure == ""
    launched.health.close()


def test_one_that_is_told_to_begin_does(ahead: LaunchedAhead) -> None:
    launched = _taken(ahead)
    assert len(launched.begin()) == 32
    wait_until(lambda: launched.health.hear() or launched.health.report is not None)
    assert launched.process.poll() is None, "it waits for Redis"
    launched.drop()


def test_each_is_taken_once(ahead: LaunchedAhead) -> None:
    launched = _taken(ahead)
    assert launched.agent_id.startswith("early-1:")
    assert ahead.take(SPEC) is None
    launched.drop()


def test_one_for_another_agent_of_that_name_is_ended(ahead: LaunchedAhead) -> None:
    assert ahead.missing([SPEC]) == []
    [waiting] = ahead._waiting.values()
    assert ahead.take(AgentSpec("early-1", "early", ("code.*",), (), 1)) is None
    assert waiting.process.returncode is not None


def test_one_that_has_died_is_not_taken(ahead: LaunchedAhead) -> None:
    assert ahead.missing([SPEC, SIBLINGS[1]]) == [SIBLINGS[1]]
    [waiting] = ahead._waiting.values()
    waiting.process.kill()
    wait_until(lambda: waiting.process.poll() is not None)
    assert ahead.take(SPEC) is None


def test_those_that_nobody_took_are_ended() -> None:
    with launched_ahead(SIBLINGS, NOBODY) as ahead:
        assert ahead.missing(SIBLINGS) == []
        processes = [one.process for one in ahead._waiting.values()]
        assert len(processes) == 3
    assert all(process.returncode == -signal.SIGKILL for process in processes)


def test_siblings_are_children_of_their_pool_and_show_what_they_are(siblings: list[Launched]) -> None:
    below = {child.pid for child in psutil.Process().children()}
    assert [one.agent_id for one in siblings] == [
        f"{launch.name}:{launch.boot_id}" for one in siblings if (launch := _shown(one)) is not None
    ]
    assert {one.process.pid for one in siblings} <= below
    assert len({one.process.pid for one in siblings}) == 3
    assert {os.readlink(f"/proc/{one.process.pid}/fd/0") for one in siblings} == {os.devnull}


def _shown(one: Launched) -> object:
    return shown_launch(psutil.Process(one.process.pid).cmdline())


def have_begun(siblings: list[Launched]) -> None:
    """Tells them to begin, and waits until they have."""
    for one in siblings:
        one.begin()
    wait_until(lambda: all(one.health.hear() or one.health.report is not None for one in siblings))


def test_an_interrupt_of_all_is_left_to_the_pool(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A terminal's Ctrl-C reaches every process, also one that has just been started."""
    with launched_ahead(SIBLINGS, NOBODY) as ahead:
        first = ahead._launching[0]._first
        for _ in range(20):
            os.kill(first.pid, signal.SIGINT)
            time.sleep(0.01)  # at any moment of its start
        assert ahead.missing(SIBLINGS) == []
        assert first.poll() is None
        status = Path(f"/proc/{first.pid}/status").read_text()
        assert re.search(r"SigBlk:\s+0+\n", status), "what it starts may be interrupted"
    assert capfd.readouterr().err == ""


def test_siblings_share_memory(siblings: list[Launched]) -> None:
    """The imports of the first are the others' as well."""
    have_begun(siblings)
    memory = [psutil.Process(one.process.pid).memory_full_info() for one in siblings]
    assert all(one.pss < one.rss * 0.8 for one in memory), memory


def test_a_sibling_lives_on_without_the_first(siblings: list[Launched]) -> None:
    first, second, third = siblings
    for one in (second, third):
        one.begin()
    first.process.kill()
    third.process.kill()
    wait_until(lambda: first.process.poll() is not None and third.process.poll() is not None)
    assert (first.process.returncode, third.process.returncode) == (-signal.SIGKILL, -signal.SIGKILL)
    wait_until(lambda: second.health.hear() or second.health.report is not None)
    assert second.process.poll() is None
    second.process.send_signal(signal.SIGTERM)
    wait_until(lambda: second.process.poll() == 0)
    second.process.kill()  # nothing: it has ended


POOL = """
import signal
from tests.processes.test_launching import NOBODY, SIBLINGS, have_begun
from taskyard.worker.agents.launching import launched_ahead
with launched_ahead(SIBLINGS, NOBODY) as ahead:
    siblings = [ahead.take(spec) for spec in SIBLINGS]
    have_begun(siblings)
    print(*(one.process.pid for one in siblings), flush=True)
    signal.pause()
"""


def test_siblings_end_with_their_pool(tmp_path: Path) -> None:
    """Also if it is killed, and they have begun."""
    environment = {**os.environ, "TASKYARD_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", POOL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment) as pool:
        assert pool.stdout is not None
        agents = [psutil.Process(int(pid)) for pid in pool.stdout.readline().split()]
        assert len(agents) == 3
        pool.kill()
    wait_until(lambda: not any(agent.is_running() and agent.status() != psutil.STATUS_ZOMBIE for agent in agents))


def test_a_first_one_that_hangs_holds_nobody_up_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(launching, "MAKE_SECONDS", 0.05)
    monkeypatch.chdir(tmp_path)
    with launched_ahead(SIBLINGS, NOBODY) as ahead:
        first = ahead._launching[0]._first
        os.kill(first.pid, signal.SIGSTOP)
        assert ahead.take(SPEC) is None
        assert first.returncode == -signal.SIGKILL


def test_none_is_started_that_needs_more_than_the_pool_file(tmp_path: Path) -> None:
    file = tmp_path / "pool.toml"
    file.write_text(
        '[[agents]]\nkind = "plain"\ncount = 2\ntypes = ["*"]\n'
        '[[agents]]\nkind = "own"\ntypes = ["*"]\nagent_class = "no_such_module:Agent"\n'
        '[[agents]]\nkind = "far"\ntypes = ["*"]\n[agents.engine]\nname = "ray"\n'
    )
    assert [spec.name for spec in plain_agents(file, "")] == ["plain-1", "plain-2"]
    assert plain_agents(None, "x") == load_pool(None, "x")
    for wrong in ("[[agents", "[[agents]]\nkind = 1", "agents = 3"):
        file.write_text(wrong)
        assert plain_agents(file, "") == []
    assert plain_agents(tmp_path / "none.toml", "") == []
