"""The class that an agent process runs: the shipped one, or a subclass of BaseAgent that a pool file names."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

from core.errors import ConfigurationError
from core.task_modules import ModuleRefused, import_task_module
from worker.agents.base import BaseAgent
from worker.agents.task_agent import TaskAgent

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
# What each is made with: see their constructors.
OF_BASE = ("ttl_seconds", "data_dir", "proof")
OF_TASK_AGENT = (*OF_BASE, "registry", "modules", "output_limit_bytes", "raw_output")


def agent_class(path: str) -> type[BaseAgent]:
    """The class of "module:Class"; "" is the shipped one. Imports the module. Raises ValueError, which says why not."""
    if not path:
        return TaskAgent
    if not _PATH.fullmatch(path):
        raise ValueError('expected a module and a class, such as "acme.agents:Mine"')
    module_name, _, name = path.partition(":")
    try:
        import_task_module(module_name, None)
    except ModuleRefused as error:
        problems = error.__cause__.problems if isinstance(error.__cause__, ConfigurationError) else [str(error)]
        raise ValueError(f"module {module_name} does not import: {'; '.join(problems)}") from None
    found = getattr(sys.modules[module_name], name, None)
    if found is None:
        raise ValueError(f"module {module_name} has no {name}")
    return _checked(found, path)


def arguments_for(found: type[BaseAgent], given: dict[str, Any]) -> dict[str, Any]:
    """Of everything that an agent may be made with, what this class takes: that of TaskAgent, or that of BaseAgent."""
    return {name: given[name] for name in (OF_TASK_AGENT if issubclass(found, TaskAgent) else OF_BASE)}


def _checked(found: object, path: str) -> type[BaseAgent]:
    if not (isinstance(found, type) and issubclass(found, BaseAgent)):
        raise ValueError(f"{path} is no subclass of worker.agents.base.BaseAgent")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise ValueError(f"{path} does not define {missing}")
    names = arguments_for(found, dict.fromkeys(OF_TASK_AGENT))
    try:
        inspect.signature(found).bind("info", "queue", "heart_queue", **names)
    except TypeError as error:
        expected = f"(info, queue, heart_queue, *, {', '.join(names)})"
        raise ValueError(f"{path} can't be made with {expected}: {error}") from None
    return found
