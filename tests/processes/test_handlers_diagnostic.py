"""`diagnostic.*`: each misbehaves exactly as it says."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from taskyard.core.config import settings
from taskyard.core.errors import PermanentError, ResourceLimitError, TransientError
from taskyard.core.task_types.registry import Isolation, registry
from taskyard.worker.handlers import diagnostic
from taskyard.worker.handlers.diagnostic import Crash, Echo, Empty, Fail, Flaky, Sleep, SleepAsync, Spin
from tests.unit.fakes import FakeContext

REPOSITORY = Path(__file__).resolve().parents[2]


def start(statement):
    """Runs a statement with the module as `d` and a context as `c` in a process of its own."""
    imports = (
        "import taskyard.worker.handlers.diagnostic as d\nfrom tests.unit.fakes import FakeContext\nc = FakeContext()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", imports + statement], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )


def test_all_types_are_registered_with_their_isolation():
    types = registry.load().types
    expected = dict.fromkeys(("crash", "fail", "flaky", "noop_process", "sleep", "spin"), Isolation.PROCESS)
    expected |= {"echo": Isolation.THREAD, "noop": Isolation.THREAD, "sleep_async": Isolation.ASYNC}
    assert {
        name.removeprefix("diagnostic."): kind.isolation
        for name, kind in types.items()
        if name.startswith("diagnostic.")
    } == expected
    assert all(kind.description for name, kind in types.items() if name.startswith("diagnostic."))


def test_loading_the_types_imports_nothing_heavy():
    program = "import sys; from taskyard.core.task_types.registry import registry; registry.load(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {"pandas", "numpy", "pyarrow", "radon", "pytest"}.isdisjoint(loaded.stdout.split())


def test_noop_and_echo():
    assert diagnostic.noop(Empty(), FakeContext()) == Empty()
    assert diagnostic.noop_process(Empty(), FakeContext()) == Empty()
    given = Echo(value={"ü": [1, None, {"x": True}]})
    assert diagnostic.echo(given, FakeContext()) == given


def test_sleep_reports_progress():
    context = FakeContext()
    assert diagnostic.sleep(Sleep(seconds=0.5), context).seconds >= 0.5
    fractions = [fraction for fraction, _ in context.progress_reports]
    assert fractions == sorted(fractions)
    assert len(fractions) >= 2


def test_sleep_async():
    assert asyncio.run(diagnostic.sleep_async(SleepAsync(seconds=0.05), FakeContext())).seconds >= 0.05


def test_sleep_in_c_lets_no_thread_and_no_signal_in():
    # The timer's signal and the thread both want to act at 0.1 s; neither may before the sleep is over at 0.6 s.
    process = start(
        "import signal, threading, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))\n"
        "threading.Timer(0.1, lambda: seen.append(time.monotonic())).start()\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.1)\n"
        "begun = time.monotonic()\n"
        "d.sleep(d.Sleep(seconds=0.6, mode='c'), c)\n"
        "while len(seen) < 2: time.sleep(0.01)\n"
        "print(min(seen) - begun)"
    )
    assert float(process.communicate(timeout=20)[0]) >= 0.6


def test_sleep_ignores_sigterm():
    process = start(
        "import os, signal\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "class Told(FakeContext):\n"
        "    def progress(self, *_): os.kill(os.getpid(), signal.SIGTERM)\n"
        "print(d.sleep(d.Sleep(seconds=0.3, mode='ignore_sigterm'), Told()).seconds)\n"
        "print(signal.getsignal(signal.SIGTERM) == before)"
    )
    seconds, restored = process.communicate(timeout=20)[0].split()
    assert float(seconds) >= 0.3
    assert restored == "True"
    assert process.returncode == 0


def test_sleep_leaves_grandchildren_outside_its_session():
    process = start("print(d.sleep(d.Sleep(seconds=0, mode='grandchildren', grandchildren=2), c).model_dump_json())")
    left = json.loads(process.communicate(timeout=20)[0])["left_pids"]
    try:
        assert len(left) == 2
        assert all(os.getsid(pid) not in (os.getsid(0), process.pid) for pid in left)
        assert all(Path(f"/proc/{pid}/stat").read_text().split()[3] != str(process.pid) for pid in left)
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("transient", TransientError),
        ("permanent", PermanentError),
        ("resource_limit", ResourceLimitError),
        ("exception", RuntimeError),
    ],
)
def test_fail_raises(kind, error):
    with pytest.raises(error, match="as told"):
        diagnostic.fail(Fail(kind=kind, message="as told"), FakeContext())


def test_fail_returns_what_can_not_be_accepted():
    assert not isinstance(diagnostic.fail(Fail(kind="invalid_output"), FakeContext()), diagnostic.FailResult)
    assert "\x00" in diagnostic.fail(Fail(kind="unstorable"), FakeContext()).text
    assert len(diagnostic.fail(Fail(kind="too_large"), FakeContext()).text) > settings().output_limit_bytes


@pytest.mark.parametrize(
    ("options", "returncode"),
    [("", -9), ("signal_number=11", -11), ("signal_number=13", -13), ("signal_number=None, exit_code=7", 7)],
)
def test_crash_ends_the_process(options, returncode):
    process = start(f"d.crash(d.Crash({options}), c); print('still here')")
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == returncode


@pytest.mark.parametrize("number", [17, 18, 19, 0, 40])
def test_crash_refuses_signals_that_end_nothing(number):
    with pytest.raises(ValidationError, match="signal_number"):
        Crash(signal_number=number)


def test_spin_burns_cpu_and_fills_memory():
    context = FakeContext()
    before = time.process_time()
    spun = diagnostic.spin(Spin(seconds=0.3, allocate_mebibytes=2), context)
    assert spun.rounds > 0
    assert 0 < spun.cpu_seconds <= time.process_time() - before
    assert context.progress_reports[0][1] == "holds 1 MiB"


def test_flaky_succeeds_at_its_attempt():
    with pytest.raises(TransientError, match="attempt 2 fails, attempt 3 will succeed"):
        diagnostic.flaky(Flaky(succeeds_at_attempt=3), FakeContext(attempt=2))
    assert diagnostic.flaky(Flaky(succeeds_at_attempt=3), FakeContext(attempt=3)).attempt == 3
