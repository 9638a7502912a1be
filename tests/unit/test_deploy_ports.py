"""Ports, paths and commands that the compose file and the chart use are those of the programs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
import yaml

from taskyard.core.config import Settings
from taskyard.dashboard.server.admission import AT_ROOT
from taskyard.worker.cli.app import app
from tests.servers import REPOSITORY

DOCKER = REPOSITORY / "deploy" / "docker"
CHART = REPOSITORY / "deploy" / "helm" / "taskyard"
PORTS = {Settings.model_fields[f"{name}_port"].default for name in ("metrics", "dashboard", "api")}
CLI: Any = typer.main.get_command(app)
EXPORTER = {"/healthz", "/readyz", "/metrics", "/scale"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]
    return {name: one for name, one in found.items() if "build" in one}


def templates() -> str:
    return "\n".join(file.read_text("utf-8") for file in sorted((CHART / "templates").iterdir()))


def test_the_image_and_the_chart_name_the_ports_of_the_settings() -> None:
    exposed = re.findall(r"^EXPOSE (.+)$", (DOCKER / "Dockerfile").read_text("utf-8"), re.M)
    assert {int(port) for line in exposed for port in line.split()} == PORTS
    used = re.findall(r"(?:containerPort: |\"port\" |port: |_PORT, value: \"|:)(\d{4})\b", templates())
    assert {int(port) for port in used} - {5432, 6379} == PORTS


def test_paths_that_are_asked_are_answered(services: dict[str, Any]) -> None:
    asked = {path.rstrip('"') for path in re.findall(r"(?:path: |:\d{4})(/\w+)", templates())}
    assert asked <= EXPORTER
    for name, one in services.items():
        address = one["environment"].get("HEALTH_URL", "http://127.0.0.1:9464/healthz")
        match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\w+)", address)
        assert match is not None, name
        assert int(match[1]) in PORTS, name
        assert match[2] in AT_ROOT, name


def test_commands_and_their_options_exist(services: dict[str, Any]) -> None:
    in_chart = [re.split(r", *", words) for words in re.findall(r"^ *args: \[([a-z][^\]{]*)\]$", templates(), re.M)]
    assert in_chart, "the chart gives commands"
    for words in [*in_chart, *(one["command"] for one in services.values())]:
        command = CLI.commands[words[0]]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words[1:] if word.startswith("--")} <= options, words


def test_services_ask_for_their_health_themselves(services: dict[str, Any]) -> None:
    """An image of the OCI format, which podman builds, carries no HEALTHCHECK."""
    for name, one in services.items():
        assert one["healthcheck"]["test"] == ["CMD", "healthcheck"], name


def test_nothing_waits_for_a_container_that_ends(services: dict[str, Any]) -> None:
    """Podman can't start what depends on a container that has ended, if that one depends on another."""
    for name, one in services.items():
        assert {wanted["condition"] for wanted in one["depends_on"].values()} <= {
            "service_healthy",
            "service_started",
        }, name


def test_prometheus_asks_only_what_answers_without_a_token() -> None:
    jobs = yaml.safe_load((DOCKER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    for job in jobs:
        for target in (target for one in job["static_configs"] for target in one["targets"]):
            assert not target.startswith("api:") or "authorization" in job, target
