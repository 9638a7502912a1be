"""A main job for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.main import Main
from tests.servers import running_endpoints, wait_until


@pytest.fixture
def main() -> Iterator[Main]:
    # not pytest's own folder: every session that starts makes that one private again, to PostgreSQL's user as well
    folder = Path(tempfile.mkdtemp(prefix="taskyard-run-"))
    running = Main(folder)
    yield running
    for process in running.processes:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)
    if running_endpoints(running.data_dir) is not None:  # everything was killed: one more run stops the servers
        last = running.start()
        wait_until(lambda: b"leader.elected" in running.log.read_bytes(), 20, "the last run is up")
        last.terminate()
        last.wait(timeout=30)
    shutil.rmtree(folder)
