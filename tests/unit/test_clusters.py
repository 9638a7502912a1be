"""Clusters of engines without their packages: what is started, when it is there, and what is killed with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from taskyard.core.errors import Unavailable
from taskyard.worker.devtools.clusters.cluster import CLUSTERS, CeleryCluster, Cluster, open_cluster
from tests.integration.slot_bench import is_dead
from tests.servers import wait_until

NODE = """
import subprocess, sys, time
if "broken" in sys.argv:
    sys.exit("no room left")
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("it is there", below.pid, flush=True)
time.sleep(600)
"""


class Toys(Cluster):
    """Nodes that do nothing."""

    name, ready = "toys", "it is there"
    address = "here"

    def node_command(self, number: int, more: Sequence[str]) -> list[str]:
        return ["node_of_tests", *more]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    (tmp_path / "node_of_tests.py").write_text(NODE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Toys(tmp_path / "toys", {}, nodes=2) as cluster:
        yield cluster


def test_a_killed_node_takes_all_with_it_that_it_has_started_and_another_comes(toys: Toys) -> None:
    node, other = toys.nodes
    [_, below] = node.tree()
    assert toys.node_of(below.pid) is node
    toys.kill_node(node)
    assert is_dead(below.pid)
    assert toys.nodes == [other]
    toys.replace_dead_nodes()
    assert len(toys.nodes) == 2
    assert toys.nodes[1].wait_for_word("it is there")
    everything = [process.pid for process in toys.processes()]
    toys.close()
    toys.replace_dead_nodes()
    assert toys.nodes == []
    wait_until(lambda: all(map(is_dead, everything)))
    with pytest.raises(LookupError):
        toys.node_of(below.pid)


def test_a_node_that_does_not_start_says_why(toys: Toys) -> None:
    with pytest.raises(Unavailable, match="toys: node-3 does not start: no room left"):
        toys.start_node("broken")
    assert len(toys.nodes) == 2


def test_every_engine_has_a_cluster_that_starts_nothing_before_it_is_entered(tmp_path: Path) -> None:
    for name in CLUSTERS:
        cluster = open_cluster(name, tmp_path / name, "unix:///tmp/redis.sock?db=3")
        assert (cluster.name, cluster.settings.name, cluster.settings.address) == (name, name, cluster.address)
        cluster.close()
    assert list(tmp_path.iterdir()) == []
    assert CeleryCluster(tmp_path, {}, "unix:///tmp/redis.sock?db=3").address == (
        "redis+socket:///tmp/redis.sock?virtual_host=3"
    )
