"""Which files of the host an input may name: every shipped handler, every way around that we know."""

import contextlib
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import registry
from taskyard.worker.handlers import hostfiles
from taskyard.worker.handlers.analysis import Table, profile
from taskyard.worker.handlers.metrics import Sources, measure
from tests.unit.fakes import FakeContext

SECRET = "name,key\nadmin,hunter2\n"


@pytest.fixture
def allowed(tmp_path, monkeypatch):
    """A folder that tasks may read, beside a secret that they may not."""
    (tmp_path / "secret.csv").write_text(SECRET)
    (tmp_path / "data" / "inner").mkdir(parents=True)
    (tmp_path / "data" / "t.csv").write_text("a\n1\n")
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(tmp_path / "data"))
    return tmp_path / "data"


def read(path):
    """What the handlers say of a file; `code.metrics` of both ways to name it."""
    table = Table(path=str(path), format="csv", delimiter="\x01")
    with pytest.raises(PermanentError) as caught:
        profile(table, FakeContext())
    said = str(caught.value)
    assert "\n" not in said
    assert "hunter2" not in said
    with contextlib.suppress(PermanentError):
        measured = measure(Sources(files=[str(path)]), FakeContext()).files[0]
        assert measured.error is not None
        assert "hunter2" not in measured.error
        assert measured.loc == 0
    return said


def test_no_file_may_be_named_unless_a_folder_is_set(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert "set TASKYARD_DATA_FOLDERS" in read(tmp_path / "t.csv")
    for sources in (Sources(files=[str(tmp_path / "t.csv")]), Sources(folder=str(tmp_path))):
        with pytest.raises(PermanentError, match="set TASKYARD_DATA_FOLDERS"):
            measure(sources, FakeContext())


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/proc/self/cwd/pyproject.toml",
        "/dev/stdin",
        "/dev/zero",
        "/sys/kernel/version",
        "{data}/../secret.csv",
        "{data}/inner/../../secret.csv",
        "{data}//..//secret.csv",
        "{data}/t.csv/../../secret.csv",
        "{data}x/../secret.csv",
        "/proc/self/root{data}/../secret.csv",
    ],
)
def test_nothing_outside_is_read(allowed, path):
    said = read(path.format(data=allowed))
    assert "does not lie under TASKYARD_DATA_FOLDERS" in said or "is not" in said


def test_what_is_inside_is_read_by_any_way_there(allowed, tmp_path):
    (tmp_path / "link").symlink_to(allowed)
    (allowed / "inner" / "t.csv").symlink_to("../t.csv")
    for path in ("t.csv", "inner/../t.csv", "inner/t.csv"):
        assert profile(Table(path=str(allowed / path)), FakeContext()).rows == 1
    assert profile(Table(path=str(tmp_path / "link" / "t.csv")), FakeContext()).rows == 1
    assert profile(Table(path=f"/proc/self/root{allowed}/t.csv"), FakeContext()).rows == 1


@pytest.mark.parametrize("kind", ["link", "linked folder", "hard link", "pipe", "socket", "device", "folder"])
def test_only_regular_files_with_one_name_are_read(allowed, tmp_path, kind):
    path = allowed / "x.csv"
    if kind == "link":
        path.symlink_to(tmp_path / "secret.csv")
    elif kind == "linked folder":
        (allowed / "up").symlink_to(tmp_path)
        path = allowed / "up" / "secret.csv"
    elif kind == "hard link":
        path.hardlink_to(tmp_path / "secret.csv")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "device":
        if os.geteuid() != 0:
            pytest.skip("only root makes devices")
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    else:
        path.mkdir()
    assert any(part in read(path) for part in ("does not lie under", "is not a regular file", "hard links"))


def test_folders_lead_nowhere_else(allowed, tmp_path):
    (tmp_path / "secret.py").write_text("key = 'hunter2'\n")
    (allowed / "good.py").write_text("x = 1\n")
    (allowed / "up").symlink_to(tmp_path)
    (allowed / "link.py").symlink_to(tmp_path / "secret.py")
    for pattern in ("**/*.py", "*/*.py", "up/*.py", "*.py"):
        sources = Sources(folder=str(allowed), pattern=pattern)
        if pattern in ("*/*.py", "up/*.py"):
            with pytest.raises(PermanentError, match="no files that match"):
                measure(sources, FakeContext())
        else:
            assert [found.name for found in measure(sources, FakeContext()).files] == ["good.py"]
    with pytest.raises(PermanentError, match="TASKYARD_DATA_FOLDERS"):
        measure(Sources(folder=str(allowed / "up")), FakeContext())


def test_kernel_files_are_not_read_even_if_everything_is_allowed(monkeypatch):
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", "/")
    for path in ("/proc/self/environ", "/proc/1/environ", "/sys/kernel/mm/transparent_hugepage/enabled"):
        if Path(path).exists():
            assert any(part in read(path) for part in ("is not", "can't be opened"))


def test_own_data_and_settings_are_not_read_though_a_folder_above_is_allowed(monkeypatch, tmp_path):
    data = tmp_path / ".data"
    (data / "samples").mkdir(parents=True)
    for path in (data / "postgres.csv", tmp_path / ".env", tmp_path / ".ENV", data / "samples" / "t.csv"):
        path.write_text(SECRET)
    monkeypatch.setenv("TASKYARD_DATA_DIR", str(data))
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", str(tmp_path))
    for path in (data / "postgres.csv", tmp_path / ".env", tmp_path / ".ENV", data / "samples" / "t.csv"):
        assert "does not lie under" in read(path)
    monkeypatch.setenv("TASKYARD_DATA_FOLDERS", f"{tmp_path},{data / 'samples'}")
    hostfiles.settings.cache_clear()
    assert profile(Table(path=str(data / "samples" / "t.csv")), FakeContext()).rows == 1


def test_a_link_that_is_swapped_in_meanwhile_gains_nothing(allowed, tmp_path):
    """Of many reads while a file and a link to the secret change places, none tells the secret."""
    path, spare = allowed / "x.csv", tmp_path / "spare"
    path.write_text("harmless\n1\n")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            spare.symlink_to(tmp_path / "secret.csv")
            os.replace(spare, path)
            spare.write_text("harmless\n1\n")
            os.replace(spare, path)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                with hostfiles.opened(path, "path", 1000) as file:
                    seen.add(file.read())
            except PermanentError:
                seen.add(None)
    finally:
        stop.set()
        swapping.join()
    assert seen <= {b"harmless\n1\n", b"", None}
    assert len(seen) > 1


def test_size_is_bounded(allowed):
    with (
        pytest.raises(PermanentError, match="4 bytes, expected at most 3"),
        hostfiles.opened(allowed / "t.csv", "path", 3),
    ):
        pass


@pytest.mark.parametrize(
    "path", ["relative.csv", "a\0b", "", "~/x.csv", "file:///etc/passwd", "http://localhost/x.csv"]
)
def test_odd_paths_are_refused_in_one_line(allowed, path):
    with pytest.raises(PermanentError, match="expected an absolute path"):
        hostfiles.require_allowed(path, "path")


def test_every_shipped_type_says_what_it_reaches():
    """Fields that name files or hold code are those of types that say so."""
    registry.load()
    is_ours = "taskyard.worker."
    shipped = {name: found for name, found in registry.types.items() if found.handler.__module__.startswith(is_ours)}
    assert {name for name, found in shipped.items() if found.runs_code} == {"code.run", "testing.pytest"}
    reading = {"analysis.profile", "code.metrics", "testing.pytest"}
    assert {name for name, found in shipped.items() if found.reads_host} == reading
    for name, found in shipped.items():
        fields = set(found.input_model.model_fields)
        assert not fields & {"path", "paths", "folder", "files", "file"} or name in reading
        assert not fields & {"script", "code", "expression"} or found.runs_code
