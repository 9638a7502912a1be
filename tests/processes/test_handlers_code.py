"""`code.run` and the sandbox under it, with real and hostile scripts."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from taskyard.core.config import load_settings
from taskyard.core.errors import HandlerCrashed, PermanentError, ResourceLimitError, TaskCancelled
from taskyard.core.private_files import keep_files_private
from taskyard.worker.handlers import code
from taskyard.worker.handlers.code import Script, run_script
from taskyard.worker.isolation import process_tree
from taskyard.worker.isolation.process_tree import descendants
from taskyard.worker.isolation.sandbox import sandbox
from taskyard.worker.isolation.sandbox.workdir import DIRECTORY_PREFIX, remove_tree, work_directory
from tests.unit.fakes import FakeContext

LEAVES_A_GRANDCHILD = """
    import os, time
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writer, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    print("grandchild", os.read(reader, 100).decode(), flush=True)
"""


@pytest.fixture(autouse=True)
def allowed(monkeypatch, tmp_path):
    keep_files_private()  # as every program does
    monkeypatch.setattr(code, "settings", lambda: load_settings(allow_code_execution=True))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert list(tmp_path.glob(f"{DIRECTORY_PREFIX}*")) == [], "a work directory was left"
    assert is_gone(), "something of a script was left"


def run(script, context=None, **options):
    return run_script(Script(script=textwrap.dedent(script), **options), context or FakeContext())


def of_this_test():
    """Processes of scripts that this test started: their command lines name its folder."""
    mark = os.fsencode(tempfile.gettempdir())
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def is_gone(within_seconds=5.0):
    """Whether nothing of this test's scripts is left."""
    deadline = time.monotonic() + within_seconds
    while of_this_test() and time.monotonic() < deadline:
        os.sched_yield()
    return not of_this_test()


def test_what_a_script_prints_is_in_the_log_also_if_it_fails(capfd):
    with pytest.raises(PermanentError, match="code 3"):
        run("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)")
    assert capfd.readouterr() == ("one\n", "two\n")


class Interfering(FakeContext):
    """Sends a signal to the script's supervisor when the script has run for a second."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def progress(self, fraction, message=None):
        super().progress(fraction, message)
        if len(self.progress_reports) == 2:
            (supervisor,) = (pid for pid in process_tree.children_of(os.getpid()) if is_supervisor(pid))
            os.kill(supervisor, self._number)


def is_supervisor(pid):
    return b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_result_has_output_and_usage():
    result = run(
        "import sys\nprint(sys.stdin.read(), sys.argv[1:])\nprint('warning', file=sys.stderr)",
        stdin="grüße 🙂",
        args=["ä", "--b"],
    )
    assert result.stdout == "grüße 🙂 ['ä', '--b']\n"
    assert result.stderr == "warning\n"
    assert (result.exit_code, result.left_processes, result.stdout_truncated) == (0, 0, False)
    assert 0 < result.cpu_seconds < 5
    assert result.peak_memory_bytes > 1 << 20


def test_environment_and_directory_hold_nothing_of_the_agent(monkeypatch):
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "postgresql://user:secret@host/db")
    monkeypatch.setenv("SOME_TOKEN", "secret")
    result = run("""
        import os, sys
        print(sorted(os.environ), os.getcwd() == os.environ["HOME"], os.listdir("."), sys.flags.isolated)
        try:
            print(open(f"/proc/{os.getppid()}/environ").read())
        except PermissionError as error:
            print(error.strerror)
    """)
    names = re.search(r"\[(.*?)\]", result.stdout).group(1)
    assert set(names.replace("'", "").split(", ")) == {
        "HOME",
        "LANG",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "TMPDIR",
        "TZ",
    }
    assert "True [] 1" in result.stdout
    assert "Permission denied" in result.stdout
    assert "secret" not in result.stdout


def test_is_refused_unless_allowed(monkeypatch):
    monkeypatch.setattr(code, "settings", lambda: load_settings(allow_code_execution=False))
    with pytest.raises(PermanentError, match="TASKYARD_ALLOW_CODE_EXECUTION"):
        run("print(1)")


def test_unexpected_exit_code_tells_the_last_words():
    with pytest.raises(PermanentError, match=r"exited with code 1, expected 0: .*ValueError: no such é") as caught:
        run("raise ValueError('no such é')")
    assert "\n" not in str(caught.value)


def test_expected_exit_code_is_a_success():
    assert run("raise SystemExit(3)", expect_exit_code=3).exit_code == 3
    with pytest.raises(PermanentError, match="exited with code 0, expected 3"):
        run("pass", expect_exit_code=3)


def test_death_by_signal_is_named():
    with pytest.raises(PermanentError, match="ended by SIGSEGV"):
        run("import os; os.kill(os.getpid(), 11)")


def test_endless_loop_hits_cpu_limit():
    with pytest.raises(ResourceLimitError, match="CPU time limit of 1 s"):
        run("while True: pass", cpu_seconds=1)


def test_cpu_limit_counts_the_whole_tree_and_ignored_signals():
    with pytest.raises(ResourceLimitError, match="CPU time limit of 1 s"):
        run(
            """
            import os, signal
            signal.signal(signal.SIGXCPU, signal.SIG_IGN)
            while True:
                if os.fork() == 0:
                    for _ in range(2_000_000): pass
                    os._exit(0)
                os.wait()
            """,
            cpu_seconds=1,
        )


def test_waiting_hits_wall_limit():
    started = time.monotonic()
    with pytest.raises(ResourceLimitError, match=r"wall time limit of 0\.5 s"):
        run("import time; time.sleep(600)", timeout_seconds=0.5)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("size", ["1 << 40", "10_000_000"])
def test_memory_hog_hits_memory_limit(size):
    with pytest.raises(ResourceLimitError, match="memory limit of 134,217,728 bytes"):
        run(f"hoard = []\nwhile True: hoard.append(bytearray({size}))", memory_mebibytes=128)


def test_memory_limit_counts_the_whole_tree():
    with pytest.raises(ResourceLimitError, match="memory limit"):
        run(
            """
            import os, time
            for _ in range(4):
                if os.fork() == 0:
                    break
            hoard = b"x" * 60_000_000
            time.sleep(600)
            """,
            memory_mebibytes=128,
        )


# Bombs must not be able to take the machine down when the code under test is broken: this one makes
# 2 ** 8 processes at most, the others are bounded by the kernel (for root: as another user) and by time.
SMALL_BOMB = "import os, time\nfor _ in range(8): os.fork()\ntime.sleep(60)"
BOUNDED = """
import os, resource, time
if os.getuid() == 0:
    resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
    os.setuid(54321)
end = time.monotonic() + 5
while time.monotonic() < end:
    try:
        {fork}
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "bomb",
    [
        SMALL_BOMB,
        BOUNDED.format(fork="os.fork()"),
        BOUNDED.format(fork="os.fork() or os.setsid()"),
    ],
    ids=["small", "endless", "own sessions"],
)
def test_fork_bomb_hits_process_limit_and_nothing_survives(bomb):
    before = descendants()
    with pytest.raises(ResourceLimitError, match="limit of 16 processes"):
        run(bomb, processes=16)
    assert descendants() <= before


def test_bomb_of_new_sessions_with_short_lived_parents_is_caught():
    before = descendants()
    run("""
        import os, time
        if os.fork():
            os._exit(0)  # the script is over; the rest flees, one process at a time
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
    """)
    assert descendants() <= before


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_without_its_supervisor_nothing_lives_on(monkeypatch, number):
    started = time.monotonic()
    monkeypatch.setattr(sandbox, "SUPERVISOR_GRACE_SECONDS", 2.0)
    with pytest.raises(HandlerCrashed, match="killed or stopped"):
        run(LEAVES_A_GRANDCHILD + "    time.sleep(600)", Interfering(number), timeout_seconds=1.5)
    assert time.monotonic() - started < 20
    assert is_gone()


def test_grandchild_in_its_own_session_is_dead_afterwards():
    result = run(LEAVES_A_GRANDCHILD)
    assert result.left_processes == 1
    assert is_gone()


def test_process_table_without_proc_tells_the_same(monkeypatch):
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 10
        while len(found := descendants(process.pid)) < 1 and time.monotonic() < deadline:
            os.sched_yield()
        monkeypatch.setattr(process_tree, "LINUX", False)
        assert descendants(process.pid) == found != set()
        assert process.pid in descendants()
        process.communicate(b"\n")


def test_huge_output_is_cut_and_does_not_block():
    result = run(
        """
        import os
        os.write(1, b"first ")
        for _ in range(500): os.write(1, b"x" * 100_000)
        os.write(1, b" last")
        """,
        output_bytes=1000,
    )
    assert result.stdout_truncated
    assert not result.stderr_truncated
    assert result.stdout.startswith("first x")
    assert result.stdout.endswith("x last")
    assert "… 49,999,011 bytes left out …" in result.stdout
    assert len(result.stdout) < 1100


def test_output_is_fit_to_be_stored():
    result = run("import os; os.write(1, b'a\\0b\\xff\\x1b[0m\\r\\nc\\td')")
    assert result.stdout == "a\ufffdb\ufffd\ufffd[0m\nc\td"


def test_file_bomb_hits_file_limit():
    with pytest.raises(ResourceLimitError, match="size of a file of 1,048,576 bytes"):
        run("f = open('bomb', 'wb')\nwhile True: f.write(b'x' * 100_000)", file_mebibytes=1)


def test_many_files_hit_directory_limit():
    with pytest.raises(ResourceLimitError, match="work directory of 8,388,608 bytes"):
        run(
            """
            import itertools
            for number in itertools.count():
                with open(f"bomb{number}", "wb") as file: file.write(b"x" * 900_000)
            """,
            file_mebibytes=1,
            disk_mebibytes=8,
        )


def test_open_files_are_limited():
    with pytest.raises(ResourceLimitError, match="limit of 32 open files"):
        run("import os\nwhile True: os.open('/dev/null', 0)", open_files=32)


def test_no_core_dumps_and_no_new_privileges():
    result = run(
        "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)); print(open('/proc/self/status').read())"
    )
    assert result.stdout.startswith("(0, 0)\n")
    assert re.search(r"NoNewPrivs:\s+1", result.stdout)


def test_cancel_stops_the_script():
    started = time.monotonic()
    with pytest.raises(TaskCancelled):
        run("import time; time.sleep(600)", FakeContext(cancel_after=1), timeout_seconds=100)
    assert time.monotonic() - started < 10


def test_progress_is_told():
    context = FakeContext()
    run("pass", context)
    assert context.progress_reports[-1] == (1.0, "finished")
    assert "MiB" in context.progress_reports[0][1]


@pytest.mark.parametrize(
    ("field", "value"),
    [("script", ""), ("processes", 0), ("memory_mebibytes", 1), ("timeout_seconds", 0), ("output_bytes", 1 << 20)],
)
def test_input_out_of_range_names_the_field(field, value):
    with pytest.raises(ValidationError, match=field):
        Script.model_validate({"script": "pass", field: value})


def test_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="cpu_second"):
        Script.model_validate({"script": "pass", "cpu_second": 3})


def test_directory_of_a_killed_process_is_removed_by_the_next(tmp_path):
    abandoned = tmp_path / f"{DIRECTORY_PREFIX}abandoned"
    (abandoned / "deep").mkdir(parents=True)
    with work_directory() as used:
        assert not abandoned.exists()
        with work_directory() as other:
            assert used.exists()
            assert other != used


def test_directory_is_removed_whatever_is_in_it(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(1500):  # deeper than Python's own removal can recurse
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (top / "closed").mkdir(mode=0o000)
    remove_tree(top)
    assert not top.exists()
