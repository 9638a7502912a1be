"""The page of permissions: every operation, who may do it, and by which door."""

from __future__ import annotations

from collections.abc import Iterator

from taskyard.core.access.operations import AT_THE_SERVERS, OPERATIONS, Operation
from taskyard.core.access.permissions import MEANINGS, ROLES, Permission, Role
from taskyard.dashboard.navigation import VIEWS_BY_NAME
from tests.reference.http import document
from tests.reference.text import cell

ROLE_NAMES = " | ".join(role.value for role in Role)


def permissions() -> Iterator[str]:
    """What the roles may do, and every operation with its doors."""
    yield "## Roles"
    yield ""
    yield f"| permission | lets | {ROLE_NAMES} |"
    yield "|---|---|" + ":-:|" * len(Role)
    for permission in Permission:
        yield f"| `{permission.value}` | {cell(MEANINGS[permission])} | {_roles(permission)} |"
    yield ""
    yield "## Operations"
    for permission in Permission:
        rows = [row for row in OPERATIONS if row.permission is permission]
        if rows:
            yield ""
            yield f"### {permission.value}"
            yield ""
            yield "| operation | pages | HTTP API | command |"
            yield "|---|---|---|---|"
            yield from map(_row, rows)


def _roles(permission: Permission) -> str:
    return " | ".join("yes" if permission in ROLES[role] else "" for role in Role)


def _row(row: Operation) -> str:
    paths = _paths()
    pages = ", ".join(VIEWS_BY_NAME[name].title for name in row.pages)
    api = "<br>".join(f"`{paths[name]}`" for name in row.api)
    commands = "<br>".join(f"`{name}`{' (2)' if name in AT_THE_SERVERS else ''}" for name in row.commands)
    return f"| {cell(row.name)}{' (1)' if row.is_whole else ''} | {pages} | {api} | {commands} |"


def _paths() -> dict[str, str]:
    """Each operation of the API with its method and path, by its id."""
    return {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }
