"""How the main job ends: told twice, and while a server is away."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.acceptance.main import Main
from tests.servers import kill_all, wait_until

GRACE_SECONDS = 16
SHORT_SECONDS = 8  # long enough to be seen running when the command that submitted it has ended
STOPPED_SECONDS = 60  # the grace period, time-outs of connections, and a busy machine


@pytest.mark.parametrize("again", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_second_signal_ends_at_once(main: Main, again: signal.Signals) -> None:
    main.environment["TASKYARD_GRACE_SECONDS"] = "300"
    first = main.start()
    main.wait_until_up()
    long = main.submit("diagnostic.sleep", seconds=250)
    main.wait_for_state(long, "in_progress")
    first.send_signal(signal.SIGTERM)
    wait_until(lambda: b"draining" in main.log.read_bytes(), 30, main.log.read_text())
    first.send_signal(again)
    began = time.monotonic()
    first.wait(timeout=STOPPED_SECONDS)
    assert time.monotonic() - began < 20, "not the five minutes of the grace period"
    wait_until(lambda: not main.leftovers(), 30, "nothing is left running")
    assert "Traceback" not in main.log.read_text()


@pytest.mark.slow
def test_a_thread_that_a_module_started_does_not_keep_the_process(main: Main, tmp_path: Path) -> None:
    source = "import threading\nthreading.Thread(target=threading.Event().wait, name='for-ever').start()\n"
    (tmp_path / "never_ending.py").write_text(source)
    main.environment |= {"TASKYARD_TASK_MODULES": "never_ending", "PYTHONPATH": str(tmp_path)}
    first = main.start()
    main.wait_until_up()
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=STOPPED_SECONDS) == 0
    wait_until(lambda: not main.leftovers(), 30, "nothing is left running")
    assert "still run and are abandoned: for-ever" in main.log.read_text()


@pytest.mark.parametrize("server", ["redis", "postgres"])
@pytest.mark.slow
def test_a_stop_while_a_server_is_away_ends(main: Main, server: str) -> None:
    main.environment["TASKYARD_GRACE_SECONDS"] = str(GRACE_SECONDS)
    first = main.start()
    main.wait_until_up()
    short = main.submit("diagnostic.sleep", seconds=SHORT_SECONDS)
    main.wait_for_state(short, "in_progress")
    killed = _server_processes(main, server)
    assert killed
    kill_all(killed)
    os.killpg(first.pid, signal.SIGINT)
    first.wait(timeout=STOPPED_SECONDS)
    wait_until(lambda: not main.leftovers(), 30, "nothing is left running")
    log = main.log.read_text()
    assert "Traceback" not in log, log

    main.start()
    main.wait_until_up()
    main.wait_for_state(short, "completed")


def _server_processes(main: Main, server: str) -> list[psutil.Process]:
    folder = str(main.data_dir)
    if server == "postgres":
        pid = int((main.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children()]
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if "redis-server" in " ".join(process.info["cmdline"] or []) and folder in " ".join(process.info["cmdline"])
    ]
