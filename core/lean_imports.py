"""Loads of some libraries only the parts that are used.

structlog loads whatever can draw a traceback in colours: 4 MB of each process. The packages of SQLAlchemy and of
redis-py load nearly all of themselves when any module of them is imported: 17 MB of the worker and a seventh of its
start. Their code then runs once somebody asks the package for a name. Agents, whose handlers may begin to use these
packages in many threads at once, do without that.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# Packages whose own code runs only once somebody asks them for a name that is none of their modules.
DEFERRED = frozenset(
    {"jsonschema_rs", "prometheus_client", "psutil", "redis", "redis.asyncio", "sqlalchemy", "uuid_utils"}
)
# Modules that use other libraries if they are there, and these.
ALONE = {
    "redis.observability.metrics": frozenset({"opentelemetry"}),
    "redis.observability.providers": frozenset({"opentelemetry"}),
    "structlog": frozenset({"better_exceptions", "colorama", "greenlet", "rich", "twisted"}),
}

_running = threading.RLock()  # the code of a deferred package


class _Missing(threading.local):
    names: frozenset[str] = frozenset()  # of libraries that this thread's import must not find


_missing = _Missing()


def load_lean(*, defers: bool = False) -> None:
    """Has this process load only parts of these libraries, as far as it has not loaded them yet.

    With `defers` the packages that load all of themselves wait for somebody who asks for it.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(DEFERRED if defers else frozenset()))


class _Finder(MetaPathFinder):
    def __init__(self, deferred: frozenset[str]) -> None:
        self._deferred = deferred

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in _missing.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name not in self._deferred and name not in ALONE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Deferring(spec.loader) if name in self._deferred else _Alone(spec.loader, ALONE[name])
        return spec


class _Wrapper(Loader):
    """Stands in for a module's own loader until the module's code runs."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._run(module)

    def _run(self, module: ModuleType) -> None:
        self._loader.exec_module(module)


class _Alone(_Wrapper):
    def __init__(self, loader: Loader, missing: frozenset[str]) -> None:
        super().__init__(loader)
        self._names = missing

    def _run(self, module: ModuleType) -> None:
        before, _missing.names = _missing.names, _missing.names | self._names
        try:
            super()._run(module)
        finally:
            _missing.names = before


class _Deferring(_Wrapper):
    def _run(self, module: ModuleType) -> None:
        has_begun = False

        def look_up(name: str) -> Any:
            nonlocal has_begun
            absent = AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            with _running:
                if not has_begun and find_spec(f"{module.__name__}.{name}") is not None:
                    return import_module(f"{module.__name__}.{name}")
                if not has_begun:
                    has_begun = True
                    super(_Deferring, self)._run(module)
                    del module.__getattr__
            try:
                return vars(module)[name]
            except KeyError:
                raise absent from None

        module.__getattr__ = look_up  # type: ignore[method-assign]
