"""What `docs/how-to/run-on-an-engine.md` tells to try: a task that needs a GPU, nodes that come, and one that dies."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from taskyard.worker.devtools.clusters.cluster import RayCluster
from tests.acceptance.main import Main
from tests.engine_extras import skip_without
from tests.servers import wait_until
from tests.unit.docs_support import DOCS, blocks

pytestmark = [pytest.mark.engines, pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore")]
PAGE = DOCS / "how-to" / "run-on-an-engine.md"
ADDRESS = "127.0.0.1:6399"  # of the page
PATIENCE_SECONDS = 120
ROWS = 300


@pytest.fixture
def folder(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's task module, which nodes can import, too; PostgreSQL's user may pass through it."""
    data_dir.mkdir()
    [module] = [block for block in blocks(PAGE, "python") if '"train.model"' in block]
    (data_dir / "training.py").write_text(module, "utf-8")
    monkeypatch.syspath_prepend(str(data_dir))
    return data_dir


def main_with_agent(folder: Path, address: str) -> Main:
    [pool] = [block for block in blocks(PAGE, "toml") if ADDRESS in block]
    main = Main(folder)
    (folder / "pool.toml").write_text(pool.replace(ADDRESS, address), "utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    main.environment |= {"TASKYARD_TASK_MODULES": "training", "PYTHONPATH": os.pathsep.join(paths)}
    return main


def said(main: Main, *arguments: str) -> str:
    answer = main.command(*arguments)
    assert answer.returncode == 0, answer.stderr + main.log.read_text()
    return answer.stdout


def test_a_task_waits_for_a_gpu_runs_once_a_node_has_one_and_again_elsewhere_when_that_is_killed(folder: Path) -> None:
    skip_without("ray")
    with RayCluster(folder / "ray", {}, nodes=0) as cluster:
        main = main_with_agent(folder, cluster.address)
        running = main.start("--migrate")
        try:
            main.wait_until_up()
            task_id = main.submit("train.model", rows=ROWS)
            waits = "waits for a seat: Ray has no node with 1 CPU, 1 GPU"
            wait_until(lambda: waits in " ".join(said(main, "why", task_id).split()), PATIENCE_SECONDS)
            first = cluster.start_node("--num-gpus=1")
            wait_until(lambda: "runs it" in said(main, "why", task_id), PATIENCE_SECONDS)
            cluster.kill_node(first)
            cluster.start_node("--num-gpus=1")
            wait_until(lambda: main.task(task_id).state == "completed", PATIENCE_SECONDS)
            task = main.task(task_id)
            assert (task.attempt, task.output) == (2, {"rows": ROWS, "gpu": "0"})
            history = json.loads(said(main, "history", task_id, "--json"))
            assert [event["attempt"] for event in history if event["event"] == "started"] == [1, 2]
            [lost] = [event for event in history if event["event"] == "attempt_failed"]
            assert "was lost: its connection ended: its process, or its node, is gone" in lost["detail"]["message"]
        finally:
            running.terminate()
            running.wait(PATIENCE_SECONDS)
