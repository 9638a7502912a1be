"""The table of operations: every door does what is in it, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from typer.main import get_command

from taskyard.api.document import PERMISSION
from taskyard.core.access.operations import AT_THE_SERVERS, OF_AGENTS, OF_THE_HOST, OPERATIONS, OVER_HTTP
from taskyard.core.access.permissions import Permission
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from taskyard.worker.cli.app import app
from taskyard.worker.cli.doors import LocalCommand, RemoteCommand, command_class
from tests.servers import REPOSITORY


@pytest.fixture(scope="module")
def document() -> dict[str, dict[str, Any]]:
    """The API's operations by their ids."""
    whole = json.loads((REPOSITORY / "docs" / "reference" / "openapi.json").read_text())
    return {one["operationId"]: one for operations in whole["paths"].values() for one in operations.values()}


def commands() -> set[str]:
    """Every command of `taskyard`, those of groups with their group."""
    found = set()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {name} if inner is None else {f"{name} {one}" for one in inner}
    return found


def test_every_operation_of_the_api_is_in_it_once(document: dict[str, dict[str, Any]]) -> None:
    needed = {name: one[PERMISSION] for name, one in document.items() if PERMISSION in one}
    assert needed == {name: row.permission.value for row in OPERATIONS for name in row.api}
    assert Counter(name for row in OPERATIONS for name in row.api).most_common(1)[0][1] == 1


def test_agents_have_theirs(document: dict[str, dict[str, Any]]) -> None:
    assert set(OF_AGENTS) == {name for name, one in document.items() if one.get("x-agent-token")}


def test_every_command_is_in_it() -> None:
    of_users = {name for row in OPERATIONS for name in row.commands}
    assert of_users | set(OF_THE_HOST) == commands()
    assert not of_users & set(OF_THE_HOST)


def test_every_command_works_where_the_table_says() -> None:
    assert set(AT_THE_SERVERS) <= commands()
    assert {name for name in commands() if command_class(name) is LocalCommand} == set(AT_THE_SERVERS)
    assert {name for name in commands() if command_class(name) is RemoteCommand} == OVER_HTTP
    root = get_command(app)
    for name in commands():
        group, _, inner = name.partition(" ")
        command = root.commands[group]  # type: ignore[attr-defined]
        assert type(command.commands[inner] if inner else command) is command_class(name), name


def test_every_page_is_in_it() -> None:
    assert {name for row in OPERATIONS for name in row.pages} == set(VIEWS_BY_NAME)


def test_they_are_in_the_order_of_permissions() -> None:
    order = list(Permission)
    assert [row.permission for row in OPERATIONS] == sorted((row.permission for row in OPERATIONS), key=order.index)
