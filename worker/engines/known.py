"""Knows the engines, and checks their settings without importing their packages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.worker.engines.apart import ApartEngine
from taskyard.worker.engines.engine import Engine, EngineProblem
from taskyard.worker.engines.late_engine import LateEngine
from taskyard.worker.engines.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class KnownEngine:
    """An engine: where its adapter is, what it needs, and which options and resources it takes."""

    place: str  # "module:Class" of the adapter
    package: str = ""  # that it imports; empty: nothing but ours
    extra: str = ""  # of this distribution, which installs the package
    programs: tuple[str, ...] = ()  # that it calls
    options: Mapping[str, type] = field(default_factory=dict)
    address: str = ""  # what `address` is, for texts; empty: it has none
    takes: frozenset[str] = frozenset()  # of RESOURCES
    whole: frozenset[str] = frozenset()  # of those that it takes, in whole numbers alone
    unused: frozenset[str] = frozenset()  # of the other fields of its table, those without effect
    instead: str = ""  # of a resource that it does not take, what to do
    check: str = ""  # "module:function" that returns problems of settings, as "field: …"; it imports no package
    probe: str = ""  # "module:function" that returns what is reached; raises EngineProblem; empty: `address` is enough
    is_apart: bool = False  # its client gets a process of its own: it can't live in the agent's


KINDS = {"str": "a text", "dict": "a table", "list": "a list"}  # how texts name the types of options
RESOURCES = ("cpus", "gpus", "memory_mib")
ALL = frozenset(RESOURCES)
_AT = "taskyard.worker.engines"
ENGINES: dict[str, KnownEngine] = {
    "local": KnownEngine(f"{_AT}.local:LocalEngine", instead="its seats share this host"),
    "ray": KnownEngine(
        f"{_AT}.ray_engine:RayEngine",
        "ray",
        "ray",
        options={"namespace": str, "resources": dict},
        address='"auto" or ray://HOST:PORT',
        takes=ALL,
        is_apart=True,
    ),
    "dask": KnownEngine(
        f"{_AT}.dask_engine:DaskEngine",
        "distributed",
        "dask",
        options={"resources": dict, "workers": list},
        address="that of the scheduler, such as tcp://HOST:8786",
        takes=frozenset({"gpus", "memory_mib"}),
        instead="a seat takes one thread of a Dask worker; name what its workers offer in options.resources",
    ),
    "celery": KnownEngine(
        f"{_AT}.celery_engine:CeleryEngine",
        "celery",
        "celery",
        options={"queue": str},
        address="the URL of the broker",
        instead="Celery has queues only; name that of workers that have enough in options.queue",
    ),
    "kubernetes": KnownEngine(
        f"{_AT}.kubernetes_engine:KubernetesEngine",
        "kubernetes",
        "kubernetes",
        options={"namespace": str, "image": str, "template": str, "gpu_resource": str},
        address='"in-cluster" or a context of the kubeconfig',
        takes=ALL,
        whole=frozenset({"gpus"}),
        check=f"{_AT}.kubernetes_job:problems",
        probe=f"{_AT}.kubernetes_engine:reached",
    ),
    "slurm": KnownEngine(
        f"{_AT}.slurm_engine:SlurmEngine",
        programs=("sbatch", "squeue", "scancel", "sinfo"),
        options={"arguments": list, "python": str, "output": str},
        takes=ALL,
        whole=frozenset({"cpus", "gpus"}),
        check=f"{_AT}.slurm_engine:problems",
        probe=f"{_AT}.slurm_engine:reached",
    ),
    "edge": KnownEngine(
        f"{_AT}.edge_engine:EdgeEngine",
        options={"sites": str},
        unused=frozenset({"idle_seconds"}),
        instead="a site's hosts say how many seats they have",
        check=f"{_AT}.edge_engine:problems",
        probe=f"{_AT}.edge_engine:reached",
    ),
}


def is_installed(engine: KnownEngine) -> bool:
    """Returns True if the engine's package is there; it is not imported."""
    return not engine.package or importlib.util.find_spec(engine.package) is not None


def missing_programs(engine: KnownEngine) -> list[str]:
    """Returns the programs that the engine needs and that are not on the path."""
    return [program for program in engine.programs if shutil.which(program) is None]


def installed_version(engine: KnownEngine) -> str:
    """Returns the version of an engine's package; empty if it is not there, or has none."""
    try:
        return importlib.metadata.version(engine.package) if engine.package else ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def lacking_extra(name: str) -> str:
    """Returns what to do so that an engine's package and programs are there; empty if they are."""
    engine = ENGINES[name]
    if not is_installed(engine):
        return f"package {engine.package!r} is not installed here: pip install 'taskyard[{engine.extra}]'"
    if missing := missing_programs(engine):
        return f"{', '.join(missing)}: not on this host's PATH: install {name}'s client programs"
    return ""


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


def resource_problems(name: str, given: Mapping[str, Any]) -> list[str]:
    """Returns one line for each resource in `[agents.engine]` that an engine can't be asked for, or field unused."""
    engine = ENGINES[name]
    found = [f"{field}: not accepted: {name} makes no use of it" for field in sorted(engine.unused & given.keys())]
    for resource in RESOURCES:
        value = given.get(resource)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            continue  # not asked for, or a problem that is told elsewhere
        if resource not in engine.takes:
            found.append(f"{resource}: {value!r} is not accepted: {name} can't be asked for it: {engine.instead}")
        elif resource in engine.whole and value != int(value):
            found.append(f"{resource}: {value!r} is not accepted: expected a whole number, as {name} wants it")
    return found


def make_engine(settings: EngineSettings) -> Engine:
    """Returns the adapter of an engine; one with an address is opened later. Raises EngineProblem."""
    known = ENGINES.get(settings.name)
    if known is None:
        raise EngineProblem(f"engine.name: {settings.name!r} is not known, expected one of {', '.join(ENGINES)}")
    if problem := lacking_extra(settings.name):
        raise EngineProblem(f"engine {settings.name}: {problem}")
    if known.address:
        return LateEngine(settings, lambda: ApartEngine(settings) if known.is_apart else open_here(settings))
    return open_here(settings)


def open_here(settings: EngineSettings) -> Engine:
    """Returns the adapter of a known engine itself, importing its package. Raises EngineProblem."""
    try:
        engine: Engine = attribute_at(ENGINES[settings.name].place)(settings)
    except ImportError as error:
        raise EngineProblem(f"engine {settings.name}: its package does not import: {error}") from None
    return engine


def attribute_at(place: str) -> Any:
    """Returns what "module:name" leads to, importing the module."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
