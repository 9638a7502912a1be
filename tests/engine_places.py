"""Where the tests of engines bring seats to: a cluster of each engine on this host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from taskyard.worker.engines.settings import EngineSettings
from tests.engine_extras import skip_lacking, skip_without
from tests.kubernetes_api import CONTEXT, KubernetesApi
from tests.kubernetes_nodes import Node
from tests.site_hosts import site_of_hosts
from tests.slurm_cluster import SlurmCluster, missing_programs, slurm_cluster

IMAGE = "registry.example.org/tests:1"


@contextlib.contextmanager
def kubernetes(folder: Path, *nodes: Node, copies: int = 2) -> Iterator[tuple[KubernetesApi, EngineSettings]]:
    """A cluster with a fake API and real processes; by default two nodes of one CPU each."""
    skip_without("kubernetes")
    api = KubernetesApi(folder, *(nodes or small_nodes()), copies=copies)
    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(api.kubeconfig)
    try:
        yield api, EngineSettings("kubernetes", CONTEXT, options={"image": IMAGE}, wait_seconds=60.0)
    finally:
        api.close()
        del os.environ["KUBECONFIG"]
        if before is not None:
            os.environ["KUBECONFIG"] = before


def small_nodes() -> tuple[Node, ...]:
    """Two nodes with room for one seat each."""
    return tuple(Node(name, {"cpu": 1.0, "memory": float(1 << 30)}) for name in ("one", "two"))


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[tuple[SlurmCluster, EngineSettings]]:
    """A real Slurm of two nodes."""
    missing = missing_programs()
    skip_lacking(f"{', '.join(missing)}: apt-get install slurm-wlm munge" if missing else "")
    with slurm_cluster(folder) as cluster:
        yield cluster, EngineSettings("slurm", wait_seconds=60.0, options={"output": str(folder / "seat-%j.out")})


@contextlib.contextmanager
def edge(folder: Path) -> Iterator[EngineSettings]:
    """A site with two hosts of one seat each."""
    with site_of_hosts(folder) as hosts:
        hosts.start()
        hosts.start()
        yield hosts.settings


PLACES: dict[str, Callable[[Path], contextlib.AbstractContextManager[EngineSettings]]] = {
    "kubernetes": lambda folder: _settings_of(kubernetes(folder)),
    "slurm": lambda folder: _settings_of(slurm(folder)),
    "edge": edge,
}


@contextlib.contextmanager
def _settings_of(
    opened: contextlib.AbstractContextManager[tuple[object, EngineSettings]],
) -> Iterator[EngineSettings]:
    with opened as (_, settings):
        yield settings
