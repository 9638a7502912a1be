"""What the documentation tells people to type works: settings, commands, targets of make, examples."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from taskyard.client.address import TOKEN_VARIABLE, URL_VARIABLE
from taskyard.core.alerts.rules import load_rules
from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.worker.agents.pool_config import load_pool
from taskyard.worker.cli.app import app
from taskyard.worker.engines import known
from taskyard.worker.engines.site_host import SITE_KEY_VARIABLE
from taskyard.worker.remote.api_link import TOKEN_VARIABLE as AGENT_TOKEN_VARIABLE
from tests.certificates import make_certificate
from tests.each import for_each
from tests.servers import REPOSITORY
from tests.unit.docs_support import ALL, CODE, DOCS, FRONT, GUIDES, blocks, name_of, prose, text_of

CLI: Any = typer.main.get_command(app)
# By itself, or after variables, a path or a program that runs it.
COMMAND = re.compile(r"^(?:(?:[A-Z_]+=\S+|runuser|env|-u|--|taskyard(?= --)) )*(?:\S*/)?taskyard ([a-z].*)$")


@for_each("page", ALL, name_of)
def test_no_unknown_setting_is_named(page: Path) -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields} | {URL_VARIABLE, TOKEN_VARIABLE}
    known |= {AGENT_TOKEN_VARIABLE, SITE_KEY_VARIABLE}
    named = set(re.findall(rf"\b{ENV_PREFIX}(?!TEST_)[A-Z_]*[A-Z]\b", text_of(page)))
    assert named <= known


def commands(page: Path) -> list[str]:
    """Each command line of `taskyard` in a page, in fences of a shell and in backticks."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    lines += CODE.findall(prose(page))
    found = []
    for line in lines:
        line = re.sub(r"\s+#.*$", "", line.strip())
        for part in re.split(r"&&|;|\|", line):
            match = COMMAND.search(part.strip())
            if match is not None:
                found.append(match.group(1))
    return found


@for_each("page", ALL, name_of)
def test_commands_parse(page: Path) -> None:
    wrong = {line: problem for line in commands(page) if (problem := problem_of(line))}
    assert wrong == {}


def problem_of(line: str) -> str:
    """Why the command line refuses it; empty if it does not. Nothing is run."""
    words = [word for word in shlex.split(line) if word != "…"]
    if "<" in words:
        words = words[: words.index("<")]
    command: Any = CLI
    while hasattr(command, "commands"):
        if not words or words[0].startswith("--"):
            return ""
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [w.partition("=")[0] for w in words if re.match(r"--?[a-z]", w) and w.partition("=")[0] not in options]
    if {"--help", "-h"} & set(unknown):
        return ""
    return f"no option {', '.join(unknown)}" if unknown else ""


def test_commands_are_found() -> None:
    assert "list --limit 5" in commands(REPOSITORY / "README.md")
    assert problem_of("lst") == "no command 'lst'"
    assert problem_of("list --stat failed") == "no option --stat"
    assert problem_of("list --state failed") == ""


@for_each("command", sorted(CLI.commands))
def test_a_guide_shows_every_command(command: str) -> None:
    reference_pages = {DOCS / "reference" / "cli.md"}
    shown = [line for page in GUIDES if page not in reference_pages for line in commands(page)]
    assert any(line.split()[0] == command for line in shown)


@for_each("page", ALL, name_of)
def test_targets_of_make_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()] + CODE.findall(prose(page))
    named = {match.group(1) for line in lines if (match := re.match(r"(?:[A-Z_]+=\S+ )*make ([a-z-]+)", line.strip()))}
    assert named <= targets


@for_each("page", ALL, name_of)
def test_modules_that_are_run_exist(page: Path) -> None:
    for module in re.findall(r"python -m ((?:tests|taskyard|worker)[\w.]*)", text_of(page)):
        path = REPOSITORY / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@for_each("page", [*FRONT, *GUIDES], name_of)
def test_examples_are_python(page: Path) -> None:
    for code in blocks(page, "python"):
        ast.parse(code)


@for_each("page", [*FRONT, *GUIDES], name_of)
def test_examples_are_toml(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And pool files and alert rules among them are accepted, but for classes, files and secrets of users."""
    sites = tmp_path / "sites.toml"
    sites.write_text(f'berlin = "{"k" * 32}"\n')
    certificate = make_certificate(tmp_path)
    files = {"certificate": certificate.file, "private_key": certificate.key, "sites": sites}
    for code in blocks(page, "toml"):
        given = tomllib.loads(code)
        file = tmp_path / "example.toml"
        code = re.sub(r"^agent_class .*$", "", code, flags=re.MULTILINE)
        for name, path in files.items():
            code = re.sub(rf'\b{name} = ".*?"', f'{name} = "{path}"', code)
        file.write_text(code)
        monkeypatch.setattr(known, "is_installed", lambda engine: True)
        monkeypatch.setattr(known, "missing_programs", lambda engine: [])
        if "agents" in given:
            load_pool(file)
        if "channels" in given:
            for channel in given["channels"].values():
                for name in ("secret_env", "password_env"):
                    if name in channel:
                        monkeypatch.setenv(channel[name], "a secret")
            load_rules(file)
