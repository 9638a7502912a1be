"""Extras: what each brings is enough for its commands, and what lacks one says so in a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from taskyard.core.embedded.servers import running_urls
from taskyard.worker.engines.seat_main import SEAT_MODULE
from tests.packaging.environments import TASKS, extra, run
from tests.servers import free_port, wait_until

NO_AGENTS = """
[[agents]]
kind = "none"
count = 0
types = ["*"]
"""
EDGE = """
[[agents]]
kind = "shops"
types = ["*"]

[agents.engine]
name = "edge"
listen = "127.0.0.1:{port}"
certificate = "desk.pem"
private_key = "desk.key"
options = {{ sites = "sites.toml" }}
"""
MAKE_KEYS = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout desk.key -out desk.pem -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost",
    "openssl rand -hex 32 > berlin.key",
    """printf 'berlin = "%s"\\n' "$(cat berlin.key)" > sites.toml; chmod 600 sites.toml""",
)


CLIENT = """
import taskyard
from taskyard.client import Client
try:
    Client("http://127.0.0.1:1").get("01929e8b-0000-7000-8000-000000000000")
except taskyard.Unavailable as error:
    print(error)
try:
    taskyard.submit
except ImportError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_client_needs_pydantic_and_httpx_only(
    base: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    place = base()
    done = run(place / "python", "-c", CLIENT, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    away, lacking = done.stdout.splitlines()
    assert away.startswith("http://127.0.0.1:1 can't be reached")
    assert lacking.endswith(" is not installed: pip install 'taskyard[server]'")
    done = run(place / "taskyard", "list", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (2, "typer is not installed: pip install 'taskyard[cli]'\n")


def test_the_command_line_needs_no_part_of_the_servers(
    base: Callable[..., Path], environment: dict[str, str], tmp_path: Path
) -> None:
    program = base("typer", "orjson") / "taskyard"
    assert run(program, "--help", cwd=tmp_path, env=environment).returncode == 0
    remote = {**environment, "TASKYARD_URL": "http://127.0.0.1:1"}
    done = run(program, "list", cwd=tmp_path, env=remote)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("error: http://127.0.0.1:1 can't be reached")
    for command in ("run", "dashboard", "api"):
        done = run(program, command, cwd=tmp_path, env=environment)
        assert done.returncode == 2
        assert done.stderr.endswith(" is not installed: pip install 'taskyard[server]'\n"), done.stderr
        assert len(done.stderr.splitlines()) == 1
    for command in (["agent"], ["doctor"], ["seats", "127.0.0.1:1", "--site", "berlin"]):
        done = run(program, *command, cwd=tmp_path, env=environment)
        assert done.returncode == 2
        assert done.stderr.endswith(" is not installed: pip install 'taskyard[agent]'\n"), done.stderr
        assert len(done.stderr.splitlines()) == 1
    seat = [program.parent / "python", "-m", SEAT_MODULE, "127.0.0.1:1", "0123456789ab"]
    done = run(*seat, cwd=tmp_path, env=environment)
    assert done.returncode == 1
    assert done.stderr.endswith(" is not installed: pip install 'taskyard[agent]'\n"), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_agents_and_seats_run_with_their_extra(
    base: Callable[..., Path], program: Path, environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    (folder / "my_tasks.py").write_text(TASKS)
    port = free_port()
    (folder / "edge.toml").write_text(EDGE.format(port=port))
    (folder / "pool.toml").write_text(NO_AGENTS)
    for command in MAKE_KEYS:
        assert subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, timeout=60).returncode == 0
    place = base(*extra("agent"))
    assert run(place / "python", "-c", "import streamlit", cwd=tmp_path, env=environment).returncode != 0

    with ExitStack() as stack:
        worker = stack.enter_context(started(program, "run", "--migrate", cwd=folder, env=environment))
        log = folder / "run.log"
        wait_until(lambda: "leader.elected" in log.read_text() or worker.poll() is not None, 90, "the worker runs")
        redis_url = running_urls(folder / ".data")[1]
        assert redis_url is not None
        agents = {
            **environment,
            "TASKYARD_REDIS_URL": redis_url,
            "TASKYARD_DATA_DIR": str(tmp_path),
            "TASKYARD_METRICS_PORT": "0",
        }
        done = run(place / "taskyard", "doctor", "--pool", "edge.toml", cwd=folder, env=agents)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "from sites berlin" in done.stdout
        stack.enter_context(started(place / "taskyard", "agent", "--pool", "edge.toml", cwd=folder, env=agents))
        dial = ("seats", f"localhost:{port}", "--site", "berlin", "--key-file", "berlin.key", "--ca-file", "desk.pem")
        seats = {**environment, "TASKYARD_DATA_DIR": str(tmp_path), "TASKYARD_METRICS_PORT": "0"}
        stack.enter_context(started(place / "taskyard", *dial, cwd=folder, env=seats))
        command = ("submit", "mine.double", "--input", '{"number": 21}', "--wait", "--json")
        done = run(program, *command, cwd=folder, env=environment)
        logs = "".join(path.read_text() for path in sorted(folder.glob("*.log")))
        assert done.returncode == 0, done.stderr + logs
        assert json.loads(done.stdout)["output"] == {"number": 42}
        assert "Traceback" not in logs


@contextmanager
def started(program: Path, *arguments: object, cwd: Path, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command, until the end of the block; it writes into the file of its name."""
    words = [str(word) for word in (program, *arguments)]
    with (cwd / f"{words[1]}.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize("engine", ["ray", "dask", "celery", "kubernetes", "server"])
def test_extras_of_engines_bring_what_agents_need(engine: str) -> None:
    assert extra("agent") < extra(engine)
