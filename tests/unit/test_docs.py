"""The reference pages name every setting with its default, and every command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from taskyard.core.config import ENV_PREFIX, Settings
from taskyard.worker.cli.app import COMMANDS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
SETTINGS, CLI = REFERENCE / "settings.md", REFERENCE / "cli.md"
ROW = re.compile(rf"^\| *`({ENV_PREFIX}[A-Z_]+)` *\|([^|]*)\|(.+)\|$", re.MULTILINE)


def rows() -> list[tuple[str, str, str]]:
    """Name, default and description of each setting in the table."""
    found = ROW.findall(SETTINGS.read_text())
    return [(name, default.strip().strip("`"), description.strip()) for name, default, description in found]


def shown(default: object) -> str:
    """A default as it would be written in the environment; nothing for none."""
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool | dict):
        return json.dumps(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_every_setting_is_in_the_table_with_its_default() -> None:
    fields = Settings.model_fields.items()
    documented = {name: default for name, default, _ in rows()}
    assert documented == {
        f"{ENV_PREFIX}{name.upper()}": shown(field.get_default(call_default_factory=True)) for name, field in fields
    }


def test_a_setting_is_in_the_table_once_and_described() -> None:
    names = [name for name, _, _ in rows()]
    assert len(names) == len(set(names))
    assert all(description for _, _, description in rows())


def test_no_other_variable_is_named() -> None:
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(rf"\b{ENV_PREFIX}[A-Z_]*[A-Z]\b", SETTINGS.read_text())) <= known


@pytest.mark.parametrize("command", [name for name, *_ in COMMANDS])
def test_every_command_is_named(command: str) -> None:
    """In the words of a shell, or as code."""
    assert re.search(rf"(taskyard |`){command}\b", CLI.read_text())
