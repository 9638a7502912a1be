"""Describes a task type whose handler and models this process does not have."""

from __future__ import annotations

from typing import Any, NoReturn

from pydantic import RootModel


class AnyObject(RootModel[dict[str, Any]]):
    """A model that accepts every JSON object unchanged."""


def never_run(*_: object) -> NoReturn:
    """Stands for a handler that only other processes have; raises NotImplementedError."""
    raise NotImplementedError("only other processes have this handler")
