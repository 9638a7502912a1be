"""What a run writes and holds is its user's own: umask, modes, environments."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from taskyard.worker.devtools.sample_files import FOLDER_NAME
from tests.acceptance.main import Main
from tests.servers import wait_until


@pytest.mark.slow
def test_no_process_of_a_run_lets_others_read_what_it_writes(main: Main) -> None:
    process = main.start("--dashboard", "--demo")
    main.wait_until_up()
    wait_until(lambda: any("streamlit" in words for words in main.leftovers()), 30, "the dashboard starts")
    main.wait_for_state(main.submit("diagnostic.noop_process"), "completed")  # a slot's child is there

    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(tree) >= 5
    for one in tree:
        assert _status(one.pid, "Umask") == "0077", one.cmdline()
    closed = [one for one in tree if "taskyard.worker.agents.main" in one.cmdline() or one.pid == process.pid]
    assert len(closed) == 3
    assert os.geteuid() == 0 or all(_is_closed(one.pid) for one in closed)
    for path in (main.data_dir, *main.data_dir.rglob("*")):
        if FOLDER_NAME in path.relative_to(main.data_dir).parts or not path.exists() or path.is_symlink():
            continue  # the samples are copies of what everybody may read
        mode = path.lstat().st_mode
        # PostgreSQL's own user passes through the folder, which nobody else may list
        allowed = stat.S_IXOTH if path == main.data_dir else 0
        assert not stat.S_IMODE(mode) & 0o077 & ~allowed, f"{path} is {stat.filemode(mode)}"
    samples = main.data_dir / FOLDER_NAME
    assert all(path.stat().st_mode & stat.S_IROTH for path in samples.rglob("*"))


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def _is_closed(pid: int) -> bool:
    """Whether another process of this user is kept from its environment; always false for root, who may see all."""
    return subprocess.run(["cat", f"/proc/{pid}/environ"], capture_output=True, check=False).returncode != 0
