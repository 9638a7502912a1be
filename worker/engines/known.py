"""Knows the engines, and checks their settings without importing their packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.worker.engines.engine import Engine, EngineProblem
from taskyard.worker.engines.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class KnownEngine:
    """An engine: where its adapter is, what it needs, and which options it takes with which type."""

    place: str  # "module:Class" of the adapter
    package: str = ""  # that it imports; empty: nothing but ours
    extra: str = ""  # of this distribution, which installs the package
    options: Mapping[str, type] = field(default_factory=dict)
    address: str = ""  # what `address` is, for texts; empty: it has none


KINDS = {"str": "a text", "dict": "a table", "list": "a list"}  # how texts name the types of options
ENGINES: dict[str, KnownEngine] = {
    "local": KnownEngine("taskyard.worker.engines.local:LocalEngine"),
    "ray": KnownEngine(
        "taskyard.worker.engines.ray_engine:RayEngine",
        "ray",
        "ray",
        {"namespace": str, "resources": dict},
        '"auto" or ray://HOST:PORT',
    ),
    "dask": KnownEngine(
        "taskyard.worker.engines.dask_engine:DaskEngine",
        "distributed",
        "dask",
        {"resources": dict, "workers": list},
        "that of the scheduler, such as tcp://HOST:8786",
    ),
    "celery": KnownEngine(
        "taskyard.worker.engines.celery_engine:CeleryEngine",
        "celery",
        "celery",
        {"queue": str},
        "the URL of the broker",
    ),
}


def is_installed(engine: KnownEngine) -> bool:
    """Returns True if the engine's package is there; it is not imported."""
    return not engine.package or importlib.util.find_spec(engine.package) is not None


def installed_version(engine: KnownEngine) -> str:
    """Returns the version of an engine's package; empty if it is not there, or has none."""
    try:
        return importlib.metadata.version(engine.package) if engine.package else ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def lacking_extra(name: str) -> str:
    """Returns what to do so that an engine's package is there; empty if it is."""
    engine = ENGINES[name]
    if is_installed(engine):
        return ""
    return f"package {engine.package!r} is not installed here: pip install 'taskyard[{engine.extra}]'"


def option_problems(name: str, options: Mapping[str, Any]) -> list[str]:
    """Returns one line for each option that an engine does not take."""
    known = ENGINES[name].options
    found = []
    for option, value in options.items():
        if option not in known:
            expected = f"expected one of {', '.join(sorted(known))}" if known else "it has no options"
            found.append(f"options.{option}: {name} does not know this option, {expected}")
        elif not isinstance(value, known[option]):
            found.append(f"options.{option}: {value!r} is not accepted, expected {KINDS[known[option].__name__]}")
    return found


def make_engine(settings: EngineSettings) -> Engine:
    """Returns the adapter of an engine, importing its package. Raises EngineProblem."""
    known = ENGINES.get(settings.name)
    if known is None:
        raise EngineProblem(f"engine.name: {settings.name!r} is not known, expected one of {', '.join(ENGINES)}")
    if problem := lacking_extra(settings.name):
        raise EngineProblem(f"engine {settings.name}: {problem}")
    module, _, attribute = known.place.partition(":")
    try:
        engine: Engine = getattr(importlib.import_module(module), attribute)(settings)
    except ImportError as error:
        raise EngineProblem(f"engine {settings.name}: its package does not import: {error}") from None
    return engine
