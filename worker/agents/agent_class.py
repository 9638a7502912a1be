"""Finds, checks and instantiates users' agent classes, named as "module:Class"."""

from __future__ import annotations

import inspect
import sys
import traceback
from typing import Any

import structlog

from taskyard.core.declarations import one_line, place
from taskyard.core.errors import ConfigurationError
from taskyard.core.task_types.modules import ModuleRefused, import_task_module
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.agents.task_agent import TaskAgent

GIVEN = ("info", "queue", "heart_queue")  # by position, and these by name:
NAMED = ("ttl_seconds", "data_dir", "proof")
NAMED_FOR_TASKS = (*NAMED, "registry", "modules", "output_limit_bytes", "raw_output")  # for subclasses of TaskAgent
NAMED_FOR_SEATS = (*NAMED, "registry", "modules", "output_limit_bytes", "log_level", "engine")

log = structlog.get_logger(__name__)


class ClassRefused(Exception):
    """Raised if an agent class can't be used; its text is one line with the reason."""


def find_agent_class(name: str) -> type[BaseAgent]:
    """Returns the class named by "module:Class", importing it if needed. Raises ClassRefused."""
    module_name, _, attribute = name.partition(":")
    try:
        for remark in import_task_module(module_name, setting="agent_class"):
            log.warning("agent_class.module", reason=remark)
    except ModuleRefused as error:
        raise ClassRefused(f"module {module_name!r} does not import: {error}") from None
    try:
        found = getattr(sys.modules[module_name], attribute)
    except AttributeError:
        raise ClassRefused(f"module {module_name!r} has no {attribute!r}") from None
    except Exception as error:  # a module's own __getattr__ failed, or it removed itself from sys.modules
        raise ClassRefused(f"module {module_name!r} raised an error for {attribute!r}: {_error_text(error)}") from None
    if not isinstance(found, type) or not issubclass(found, BaseAgent):
        kind = "is another class" if isinstance(found, type) else f"is of type {type(found).__name__}"
        raise ClassRefused(f"{attribute!r} {kind}: expected a subclass of taskyard.worker.agents.base.BaseAgent")
    _check(found)
    return found


def make_agent(name: str, given: tuple[Any, ...], named: dict[str, Any]) -> BaseAgent:
    """Returns an agent of the named class; without a name an EngineAgent, if it has an engine, or a TaskAgent.

    Raises ConfigurationError.
    """
    if not name:
        if named.get("engine") is not None:
            from taskyard.worker.agents.engine_agent import EngineAgent  # which few agents are

            return EngineAgent(*given, **{key: named[key] for key in NAMED_FOR_SEATS})
        return TaskAgent(*given, **{key: named[key] for key in NAMED_FOR_TASKS})
    try:
        agent_class = find_agent_class(name)
    except ClassRefused as refused:
        raise ConfigurationError([f"agent_class {name!r}: {refused}"]) from None
    wanted = NAMED_FOR_TASKS if issubclass(agent_class, TaskAgent) else NAMED
    try:
        agent = agent_class(*given, **{key: named[key] for key in wanted})
    except Exception as error:
        raise ConfigurationError([f"agent_class {name!r}: can't be instantiated: {_error_text(error)}"]) from error
    if not hasattr(agent, "heartbeat"):
        raise ConfigurationError([f"agent_class {name!r}: its __init__ does not call super().__init__"])
    agent.ends_are_sound = False
    return agent


def class_problem(name: str) -> str:
    """Returns why the class named by "module:Class" can't be used, in one line; empty if it can."""
    try:
        find_agent_class(name)
    except ClassRefused as refused:
        return str(refused)
    return ""


def _check(agent_class: type[BaseAgent]) -> None:
    name = agent_class.__name__
    missing = sorted(agent_class.__abstractmethods__)
    if missing:
        raise ClassRefused(f"{name!r} does not implement {', '.join(missing)}")
    named = NAMED_FOR_TASKS if issubclass(agent_class, TaskAgent) else NAMED
    for method, given, by_name in (
        ("__init__", ("self", *GIVEN), named),
        ("execute", ("self", "slot", "run", "channel"), ()),
        ("stop_execution", ("self", "run_pair"), ()),
        ("close_execution", ("self",), ()),
    ):
        function = getattr(agent_class, method)
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise ClassRefused(f"{name!r}: {method} must be a plain method, no coroutine or generator")
        try:
            inspect.signature(function).bind(*given, **dict.fromkeys(by_name))
        except (TypeError, ValueError) as error:
            takes = ", ".join([*given[1:], *(f"{key}=…" for key in by_name)])
            raise ClassRefused(f"{name!r}: {method} can't be called with ({takes}): {one_line(error)}") from None


def _error_text(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    text = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    return f"{text} ({place(frames[-1].filename, frames[-1].lineno or 0)})" if frames else text
