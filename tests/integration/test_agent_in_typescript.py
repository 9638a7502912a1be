"""The example of an agent in another language, compiled and run against an API and a worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from taskyard.client import Client
from taskyard.core.access.permissions import Role
from taskyard.core.errors import UnknownTaskType
from tests.client.apis import running_api
from tests.engine import Engine
from tests.remote_agents import agent_token, service_token
from tests.servers import REPOSITORY, wait_until

EXAMPLE = REPOSITORY / "examples" / "agent.ts"
PACKAGES = ("typescript@5.9.3", "@types/node@20.19.25")
OPTIONS = (
    "--strict",
    "--exactOptionalPropertyTypes",
    "--noUncheckedIndexedAccess",
    "--noPropertyAccessFromIndexSignature",
)
TARGET = ("--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", "node")
SECONDS = 180


def lacking(why: str) -> None:
    """Skips the test; fails it in CI, which has everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The example as JavaScript."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        lacking("there is no node")
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    shutil.copy(EXAMPLE, tmp_path)
    for words in (
        ("npm", "install", "--no-audit", "--no-fund", "--silent", "--prefer-offline", *PACKAGES),
        ("npx", "--no-install", "tsc", *OPTIONS, *TARGET, "agent.ts"),
    ):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode != 0 and words[0] == "npm":
            lacking(f"npm can't install {' and '.join(PACKAGES)}: {done.stderr.strip()[-500:]}")
        assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "agent.js"


@pytest.mark.slow
def test_it_completes_tasks_obeys_a_cancellation_and_drains(engine: Engine, program: Path) -> None:
    engine.worker()
    token, own = agent_token(engine, "edge", "edge.*"), service_token(engine, "ci", Role.ADMIN)
    with running_api(engine.settings) as api, Client(api.url, own) as client:
        variables = {"TASKYARD_URL": api.url, "TASKYARD_AGENT_TOKEN": token, "PATH": os.environ["PATH"]}
        process = subprocess.Popen(["node", str(program)], env=variables, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: {one.name for one in engine.online()} == {"edge"}, 30)
            wait_until(lambda: is_known(client), 30)
            tasks = [client.submit("edge.echo", {"n": n}) for n in range(20)]
            found = [task.result(30.0) for task in tasks]
            assert [one.output for one in found] == [{"n": n} for n in range(20)]
            short, long = client.submit("edge.sleep", {"seconds": 2}), client.submit("edge.sleep", {"seconds": 600})
            for task in (short, long):
                engine.wait_for(task.id, "in_progress", timeout_seconds=20)
            wait_until(lambda: engine.task(long.id).progress is not None)
            client.cancel(long.id)
            assert engine.task(long.id).state == "cancelled"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0, "the cancelled one does not hold it up, the other one may finish"
            assert engine.wait_for(short.id).state == "completed"
            wait_until(lambda: engine.online() == [])
            assert engine.broker.results_length() == 0
        finally:
            process.kill()
            _, said = process.communicate()
            print(said)


def is_known(client: Client) -> bool:
    """Whether the API knows the types that the agent published."""
    try:
        client.submit("edge.echo", {"n": -1})
    except UnknownTaskType:
        return False
    return True
