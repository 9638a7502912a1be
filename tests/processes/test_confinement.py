"""What a script tries to get out of its cell, in every way that scripts are locked in, as root and as nobody."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from taskyard.core.config import load_settings
from taskyard.core.errors import PermanentError, ResourceLimitError
from taskyard.core.private_files import keep_files_private
from taskyard.worker.handlers import code
from taskyard.worker.handlers.code import Script, run_script
from taskyard.worker.isolation.sandbox import confinement, landlock, uids
from taskyard.worker.isolation.sandbox.confinement import LANDLOCK, NAMESPACES
from tests.unit.fakes import FakeContext

REPOSITORY = Path(__file__).resolve().parents[2]
# Tries one thing after the other and prints what came of it, as JSON.
PROBE = """
import ctypes, json, os, resource, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
told = json.loads(sys.argv[1])
def call(number, *values):
    if libc.syscall(number, *values) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def connect():
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(told["socket"])
def map_new_user():
    if libc.unshare(0x10000000) < 0:
        raise OSError(ctypes.get_errno(), "refused")
numbers = {"x86_64": (101, 310, 165, 29, 240, 425), "aarch64": (117, 270, 40, 194, 180, 425)}[os.uname().machine]
attempts = {
    "environment": lambda: open(f"/proc/{told['pid']}/environ").read(),
    "memory": lambda: open(f"/proc/{told['pid']}/mem", "rb").read(1),
    "root of": lambda: os.listdir(f"/proc/{told['pid']}/root/root"),
    "descriptors": lambda: os.listdir(f"/proc/{told['pid']}/fd"),
    "signal": lambda: os.kill(told["pid"], 0),
    "signal parent": lambda: os.kill(told["parent"], 0),
    "ptrace": lambda: call(numbers[0], 16, told["pid"], 0, 0),
    "read memory": lambda: call(numbers[1], told["pid"], 0, 0, 0, 0, 0),
    "mount": lambda: call(numbers[2], b"none", b"/tmp", b"tmpfs", 0, 0),
    "shared memory": lambda: call(numbers[3], 0, 4096, 0o1600),
    "message queue": lambda: call(numbers[4], b"x", 0o102, 0o600, 0),
    "io_uring": lambda: call(numbers[5], 1, 0),
    "memfd": lambda: os.memfd_create("hoard"),
    "user namespace": map_new_user,
    "socket of a server": connect,
    "file of the worker": lambda: open(told["secret"]).read(),
    "listing of the worker": lambda: os.listdir(os.path.dirname(told["secret"])),
    "writing beside": lambda: open(told["secret"] + ".new", "w"),
    "link to it": lambda: (os.symlink(told["secret"], "link"), open("link").read()),
    "settings": lambda: open(told["env"]).read(),
    "writing to packages": lambda: open(os.path.join(os.path.dirname(json.__file__), "x.py"), "w"),
    "own script": lambda: os.unlink(sys.argv[0]),
    "more processes": lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1 << 20, 1 << 20)),
    "another user": lambda: os.setuid(0),
    "root's files": lambda: open("/etc/shadow").read(),
}
result = {}
for name, attempt in attempts.items():
    try:
        attempt()
        result[name] = "DONE"
    except (OSError, ValueError) as error:
        result[name] = type(error).__name__
print(json.dumps({"uid": os.getuid(), "result": result}))
"""
WAYS = [NAMESPACES, LANDLOCK]


def is_offered(way):
    """Whether this machine and user offer a way to lock scripts in: tried with the simplest script."""
    if way == LANDLOCK and not landlock.version():
        return False
    with contextlib.suppress(PermanentError):
        return run("print(1)", ways=[way]).stdout == "1\n"
    return False


def run(script, ways=None, context=None, **options):
    original = confinement.ways
    confinement.ways = (lambda: ways) if ways else original
    try:
        return run_script(Script(script=textwrap.dedent(script), **options), context or FakeContext())
    finally:
        confinement.ways = original


@pytest.fixture(autouse=True)
def allowed(monkeypatch):
    keep_files_private()  # as every program does
    monkeypatch.setattr(code, "settings", lambda: load_settings(allow_code_execution=True))


@pytest.fixture(params=WAYS)
def way(request):
    if not is_offered(request.param):
        pytest.skip(f"this user can't be locked in by {request.param} here: no such kernel, or Python is out of reach")
    return request.param


@contextlib.contextmanager
def a_worker(folder):
    """What a worker has that scripts look for: a secret file, a server's socket, a process with an environment."""
    folder.mkdir(parents=True)
    secret = folder / "secret"
    secret.write_text("hunter2")
    with socket.socket(socket.AF_UNIX) as server:
        path = str(folder / "s")
        server.bind(path)
        server.listen()
        os.chmod(path, 0o600)
        environment = {**os.environ, "TASKYARD_DATABASE_URL": "postgresql://u:hunter2@h/d"}
        program = "from taskyard.core.private_files import refuse_inspection as r; r(); print(flush=True); input()"
        with subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            process.stdout.readline()
            yield {
                "pid": process.pid,
                "parent": os.getpid(),
                "secret": str(secret),
                "socket": path,
                "env": str(folder / ".env"),
            }
            process.communicate(b"\n")


def probe(told, ways):
    return json.loads(run(PROBE, ways=ways, args=[json.dumps(told)]).stdout)


def try_everything(folder, ways):
    """Raises AssertionError if something that a script tries succeeds."""
    with a_worker(folder) as told:
        Path(told["env"]).write_text("TASKYARD_DATABASE_URL=postgresql://u:hunter2@h/d\n")
        found = probe(told, ways)
    done = {name for name, came_of_it in found["result"].items() if came_of_it == "DONE"}
    assert not done, f"a script could do this: {sorted(done)}"
    assert len(found["result"]) >= 25
    assert found["uid"] != 0


def test_a_script_reaches_nothing(way):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)  # what counts is the cell, not this folder's mode
        try_everything(Path(folder) / "data", [way])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("user", "way"), [("nobody", NAMESPACES), ("nobody", LANDLOCK), ("root", LANDLOCK)])
@pytest.mark.parametrize("what", ["everything", "daemon"])
def test_scripts_of_any_user_reach_nothing_and_leave_nothing(user, way, what):
    result = as_user(user, what, way)
    assert result.returncode == 0, result.stdout + result.stderr
    if result.stdout.startswith("skipped"):
        pytest.skip(result.stdout)


def as_user(user, what, way):
    command = [sys.executable, "-m", "tests.unit.unprivileged", user, __file__, what, way]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )


DAEMON = """
    import os, signal, sys, time
    if os.fork():
        os._exit(0) if os.fork() else None
    os.setsid()
    if os.fork():
        os._exit(0)
    # a daemon that kills all it can: its keepers, and everything else
    for pid in (os.getppid(), 1, *map(int, sys.argv[1:])):
        for number in (signal.SIGKILL, signal.SIGSTOP):
            try:
                if pid not in (os.getpid(), 0):
                    os.kill(pid, number)
            except OSError:
                pass
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError:
        pass
    time.sleep(600)
"""


def leave_a_daemon(ways):
    """Raises AssertionError if a process lives on, though its script killed what it could."""
    mark = f"mark{os.getpid()}"
    keepers = [str(os.getpid()), str(os.getppid())]
    with contextlib.suppress(PermanentError):  # it may have killed itself
        run(DAEMON, ways=ways, args=[*keepers, mark], timeout_seconds=5)
    left = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                left.append(entry.name)
    assert not left


def test_a_daemon_that_kills_its_keepers_does_not_live_on(way):
    leave_a_daemon([way])


def test_runs_at_the_same_time_are_different_users_and_do_not_see_each_other(way):
    if os.geteuid() != 0:
        pytest.skip("only root can give each run a user of its own")
    with uids.reserved_uid() as first, uids.reserved_uid() as second:
        found = json.loads(run("import json, os; print(json.dumps(os.getresuid() + os.getresgid()))", [way]).stdout)
        assert len({first, second, *found}) == 3
        assert len(set(found)) == 1
    assert uids.FIRST_UID <= found[0] <= uids.LAST_UID
    assert run("import os; print(os.getgroups())", [way]).stdout == "[]\n"


def test_files_in_memory_are_bounded_and_counted():
    if not is_offered(NAMESPACES):
        pytest.skip("no namespaces here: without them, a script can write to no memory")
    fill = """
        import os, time
        for folder in ("/dev/shm", "/tmp"):
            with open(f"{folder}/hoard", "wb") as file:
                try:
                    for _ in range(40): file.write(b"x" * (1 << 20))
                except OSError as error:
                    print(folder, error.strerror)
        time.sleep(600)
    """
    with pytest.raises(ResourceLimitError, match="memory limit"):
        run(fill, memory_mebibytes=72, timeout_seconds=20)
    result = run(fill.replace("time.sleep(600)", "").replace("range(40)", "range(100)"), file_mebibytes=200)
    assert result.stdout == "/dev/shm No space left on device\n/tmp No space left on device\n"
    assert list(Path("/dev/shm").glob("hoard")) == []


@pytest.mark.parametrize(
    "hoard",
    [
        "open(f'f{n}', 'wb+'); os.unlink(f'f{n}')",
        "os.fdopen(os.open('.', os.O_TMPFILE | os.O_RDWR), 'wb')",
    ],
    ids=["unlinked", "never named"],
)
def test_files_without_a_name_count(way, hoard):
    script = f"""
        import os, time
        kept = []
        for n in range(20):
            file = {hoard.partition(";")[0]}
            {hoard.partition(";")[2].strip() or "pass"}
            file.write(b"x" * 900_000); file.flush()
            kept.append(file)
        time.sleep(600)
    """
    with pytest.raises(ResourceLimitError, match="work directory of 8,388,608 bytes"):
        run(script, [way], disk_mebibytes=8, file_mebibytes=1, timeout_seconds=20)


def test_mapped_files_without_a_name_count():
    if os.geteuid() != 0 or not is_offered(NAMESPACES):
        pytest.skip("only root may look at what processes have mapped")
    script = """
        import mmap, os, time
        kept = []
        for n in range(20):
            with open("f", "wb+") as file:
                file.write(b"x" * 900_000); file.flush()
                kept.append(mmap.mmap(file.fileno(), 0))
            os.unlink("f")
        time.sleep(600)
    """
    with pytest.raises(ResourceLimitError, match="work directory of 8,388,608 bytes"):
        run(script, disk_mebibytes=8, file_mebibytes=1, timeout_seconds=20)


def test_empty_files_count():
    with pytest.raises(ResourceLimitError, match="work directory of 1,048,576 bytes"):
        run("import itertools\nfor n in itertools.count(): open(f'f{n}', 'w').close()", disk_mebibytes=1)


def test_links_in_the_work_folder_are_not_followed_when_it_is_removed(way, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("still here")
    run(f"import os; os.symlink({str(kept)!r}, 'link'); os.makedirs('a/b'); os.chmod('a', 0)", [way])
    assert (kept / "file").read_text() == "still here"


def test_threads_are_bounded_where_the_user_is_its_own():
    if os.geteuid() != 0:
        pytest.skip("the user has other threads here")
    result = run(
        """
        import threading, time
        threads = 0
        try:
            while True:
                threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
                threads += 1
        except RuntimeError:
            print(threads)
        """,
        processes=8,
        memory_mebibytes=8192,
    )
    assert 100 < int(result.stdout) < 300


def test_nothing_runs_where_nothing_can_be_locked_in(monkeypatch):
    monkeypatch.setattr(confinement, "ways", list)
    with pytest.raises(PermanentError, match="can't confine submitted code") as caught:
        run("print(1)")
    assert "\n" not in str(caught.value)


def test_memory_of_this_process_is_closed_to_others_of_its_user():
    ask = "import ctypes; print(ctypes.CDLL(None).prctl(3))"
    program = f"from taskyard.core.private_files import refuse_inspection as r; r(); {ask}"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert told == "0\n"  # PR_GET_DUMPABLE


if __name__ == "__main__":  # as nobody, by tests.unit.unprivileged
    os.environ["TASKYARD_ALLOW_CODE_EXECUTION"] = "true"
    _, _what, _way = sys.argv
    if not is_offered(_way):
        print(f"skipped: no {_way} for this user")
        sys.exit(0)
    if _what == "everything":
        with tempfile.TemporaryDirectory(dir="/tmp") as _folder:
            try_everything(Path(_folder) / "data", [_way])
    else:
        leave_a_daemon([_way])
