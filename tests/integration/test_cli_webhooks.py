"""`webhooks` and `hooks` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taskyard.core.config import Settings
from taskyard.worker.cli import exits
from taskyard.worker.cli.app import app

Cli = Callable[..., Result]
URL = "https://hooks.example.com/x"


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on this test's servers."""
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), prog_name="taskyard", input=text)

    return run


def test_the_life_of_a_webhook(cli: Cli) -> None:
    assert "no webhooks" in cli("webhooks", "list").stdout
    added = cli("webhooks", "add", "ci", URL, "--queue", "nightly-*", "--outcome", "failed")
    assert added.exit_code == exits.OK, added.output
    assert added.stdout.startswith("whsec_")
    [found] = json.loads(cli("webhooks", "list", "--json").stdout)
    assert (found["queues"], found["outcomes"], found["pending"]) == (["nightly-*"], ["failed"], 0)
    assert found["last_delivered_at"] is None
    assert "last delivered" in cli("webhooks", "list").stdout
    assert "secret" not in found
    assert cli("webhooks", "change", "ci", "--output").stdout == "ci is changed\n"
    assert cli("webhooks", "change", "ci", "--output").stdout == "ci is changed already\n"
    [found] = json.loads(cli("webhooks", "list", "--json").stdout)
    assert (found["has_output"], found["queues"]) == (True, ["nightly-*"])
    id_ = json.loads(cli("webhooks", "ping", "ci", "--json").stdout)["id"]
    assert id_ in cli("webhooks", "deliveries", "ci").stdout
    assert cli("webhooks", "deliveries", "ci", "--state", "failed").stdout == "no deliveries\n"
    assert cli("webhooks", "send", "ci", id_).exit_code == exits.BAD_INPUT  # it waits to be sent
    assert cli("webhooks", "disable", "ci", "--reason", "[b]x[/b]").stdout == "ci is disabled\n"
    assert "[b]x[/b]" in cli("webhooks", "list").stdout
    assert cli("webhooks", "enable", "ci").stdout == "ci is enabled\n"
    assert cli("webhooks", "rotate", "ci").stdout != added.stdout
    assert cli("webhooks", "remove", "ci").stdout == "ci is removed\n"
    assert cli("webhooks", "remove", "ci").exit_code == exits.BAD_INPUT


def test_a_webhook_to_the_inside_is_refused_in_one_line(cli: Cli) -> None:
    refused = cli("webhooks", "add", "ci", "https://127.0.0.1/")
    assert (refused.exit_code, refused.stdout) == (exits.BAD_INPUT, "")
    assert "TASKYARD_WEBHOOK_PRIVATE_ADDRESSES is off" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_life_of_a_hook(cli: Cli, tmp_path: Path) -> None:
    assert "no hooks" in cli("hooks", "list").stdout
    template = json.dumps({"value": "{{ body.ref }}"})
    added = cli("hooks", "add", "push", "github", "diagnostic.echo", "--template", template, "--event", "push")
    assert added.exit_code == exits.OK, added.output
    assert added.stdout.startswith("whsec_")
    file = tmp_path / "template.json"
    file.write_text(template, encoding="utf-8")
    stripe = ("hooks", "add", "pay", "stripe", "diagnostic.echo", "--template-file", str(file), "--secret-stdin")
    assert cli(*stripe, text="a-secret-that-stripe-made\n").stdout == "pay has the secret that was given\n"
    found = {one["name"]: one for one in json.loads(cli("hooks", "list", "--json").stdout)}
    assert (found["push"]["events"], found["pay"]["scheme"]) == (["push"], "stripe")
    assert "a-secret-that-stripe-made" not in cli("hooks", "list", "--json").stdout
    assert cli("hooks", "change", "push", "--queue", "builds").stdout == "push is changed\n"
    assert cli("hooks", "disable", "push").stdout == "push is disabled\n"
    assert cli("hooks", "enable", "push").stdout == "push is enabled\n"
    assert cli("hooks", "rotate", "push").stdout != added.stdout
    assert cli("hooks", "remove", "push").stdout == "push is removed\n"
    assert cli("hooks", "remove", "push").exit_code == exits.BAD_INPUT
    unknown = cli("hooks", "add", "x", "github", "no.such", "--template", template)
    assert unknown.exit_code == exits.BAD_INPUT
    assert "no.such" in unknown.stderr
