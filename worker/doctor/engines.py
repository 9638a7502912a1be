"""Checks the engines of a pool's agents: their packages, and whether their addresses are reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from taskyard.core.declarations import one_line
from taskyard.core.health.check import Check, fine, problem, warning
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.engines.certificates import Expiry
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.known import ENGINES, attribute_at, installed_version
from taskyard.worker.engines.reach import host_and_port, unreached
from taskyard.worker.engines.settings import EngineSettings


def engine_checks(specs: Sequence[AgentSpec]) -> Iterator[Check]:
    """Yields a check for each engine and address; a missing package is a problem of the pool file."""
    found = (spec.engine for spec in specs if spec.engine is not None)
    engines = {(one.name, one.address, one.listen, repr(one.options)): one for one in found}
    for (name, *_), engine in sorted(engines.items()):
        yield _reached(name, engine)
        yield from _expiring(name, engine)


def _reached(name: str, engine: EngineSettings) -> Check:
    known = ENGINES[name]
    version = installed_version(known)
    shown = f"{known.package} {version}" if version else "needs no package"
    if known.probe:
        return _probed(name, shown if known.package else "", known.probe, engine)
    host, port = host_and_port(engine.address)
    if not host or port is None:
        return fine(f"engine {name}", shown)
    if found_wrong := unreached(engine.address):
        advice = f"start {name} there, or correct engine.address in the pool file"
        return problem(f"engine {name}", found_wrong, advice)
    return fine(f"engine {name}", f"{shown}, {host}:{port} is reached")


def _expiring(name: str, engine: EngineSettings) -> Iterator[Check]:
    """Yields a check of a desk's certificate that has expired, or expires soon; other faults are told elsewhere."""
    try:
        expiry = Expiry.of(Path(engine.certificate).read_text("utf-8")) if engine.certificate else None
    except (OSError, ValueError):
        return
    if expiry is not None and (said := expiry.problem() or expiry.remark()):
        tell = problem if expiry.problem() else warning
        yield tell(f"engine {name}", f"{engine.certificate}: {said}", "put a new one there: agents read it at once")


def _probed(name: str, shown: str, probe: str, engine: EngineSettings) -> Check:
    """Returns the check of an engine whose adapter looks itself."""
    try:
        reached = attribute_at(probe)(engine)
    except (EngineProblem, ImportError) as error:
        return problem(f"engine {name}", one_line(error), "correct the pool file's table agents.engine, or start it")
    return fine(f"engine {name}", ", ".join(filter(None, (shown, reached))))
