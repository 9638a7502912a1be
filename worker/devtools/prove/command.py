"""Runs the command `prove` with its progress, its tables and its exit code."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.worker.devtools.clusters.cluster import CLUSTERS
from taskyard.worker.devtools.prove import plan, report
from taskyard.worker.devtools.prove.engine_world import EngineWorld
from taskyard.worker.devtools.prove.people import plan as people_plan
from taskyard.worker.devtools.prove.people import report as people_report
from taskyard.worker.devtools.prove.people.run import prove_people
from taskyard.worker.devtools.prove.people.yard import Yard
from taskyard.worker.devtools.prove.run import prove
from taskyard.worker.devtools.prove.served_world import ServedWorld
from taskyard.worker.devtools.prove.upgrade import plan as upgrade_plan
from taskyard.worker.devtools.prove.upgrade import report as upgrade_report
from taskyard.worker.devtools.prove.upgrade.release import last_release
from taskyard.worker.devtools.prove.upgrade.run import prove_upgrade
from taskyard.worker.devtools.prove.upgrade.world import RollingWorld
from taskyard.worker.devtools.prove.world import World
from taskyard.worker.engines.known import lacking_extra

Note = Callable[[str], None]


def run_prove(
    settings: Settings,
    *,
    cycles: int,
    minutes: float,
    seed: int | None,
    kinds: list[str],
    json_file: Path | None,
    keep: bool,
    engine: str = "",
) -> int:
    """Kills, and prints the findings; returns 0 if the promise was kept, else 1.

    With an engine, the agents' attempts run in seats on nodes that are started here, and both are killed, too.
    """
    known = tuple(plan.WAYS_OF_ALL) if engine else plan.KINDS
    _check("kind", kinds, known)
    if engine:
        _check("engine", [engine], CLUSTERS)
        if lacking := lacking_extra(engine):
            raise ConfigurationError([f"prove: --engine: {engine!r} is not accepted: {lacking}"])
    world = EngineWorld(settings, engine) if engine else ServedWorld(settings)
    only = [kind for kind in known if kind in kinds] or known

    def proved(chosen: int, note: Note) -> tuple[bool, Any, dict[str, Any]]:
        findings = prove(
            world, chosen, cycles, 60 * minutes, lambda death: note(f"{death.kill.kind} ({death.kill.way})"), only
        )
        return findings.is_kept, report.tables(findings), report.as_json(findings)

    return _run(world, "killing", proved, cycles=cycles, seed=seed, json_file=json_file, keep=keep)


def run_prove_people(
    settings: Settings,
    *,
    cycles: int,
    minutes: float,
    seed: int | None,
    kinds: list[str],
    json_file: Path | None,
    keep: bool,
) -> int:
    """Simulates users' acts, and prints the findings; returns 0 if the promise was kept, else 1."""
    _check("act", kinds, people_plan.KINDS)
    yard = Yard(settings)
    if not yard.clock.can_be_set:
        Console(stderr=True).print("Clocks are not set: that needs a C compiler (cc)")

    def proved(chosen: int, note: Note) -> tuple[bool, Any, dict[str, Any]]:
        findings = prove_people(
            yard, chosen, cycles, 60 * minutes, lambda act: note(f"{act.kind} ({act.way})"), frozenset(kinds)
        )
        return findings.is_kept, people_report.tables(findings), people_report.as_json(findings)

    return _run(yard, "acting", proved, cycles=cycles, seed=seed, json_file=json_file, keep=keep)


def run_prove_upgrade(
    settings: Settings,
    *,
    cycles: int,
    minutes: float,
    seed: int | None,
    wheel: Path | None,
    json_file: Path | None,
    keep: bool,
) -> int:
    """Upgrades from the last release, and prints the findings; returns 0 if the promise was kept, else 1."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    release = last_release(settings.data_dir.absolute() / "released", wheel)
    world = RollingWorld(settings, release)

    def proved(chosen: int, note: Note) -> tuple[bool, Any, dict[str, Any]]:
        findings = prove_upgrade(world, chosen, cycles, 60 * minutes, note)
        return findings.is_kept, upgrade_report.tables(findings), upgrade_report.as_json(findings)

    total = cycles + len(upgrade_plan.steps(0)) if cycles else 0
    return _run(world, "upgrading", proved, cycles=total, seed=seed, json_file=json_file, keep=keep)


def _check(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    """Raises ConfigurationError for a value of an option that is not known."""
    if unknown := sorted(set(given) - set(known)):
        raise ConfigurationError(
            [f"prove: --{option}: {unknown[0]!r} is not accepted, expected one of {', '.join(known)}"]
        )


def _run(
    world: World,
    what: str,
    proved: Callable[[int, Note], tuple[bool, Any, dict[str, Any]]],
    *,
    cycles: int,
    seed: int | None,
    json_file: Path | None,
    keep: bool,
) -> int:
    chosen = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with world, Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"{what}, seed {chosen}", total=cycles or None)
        is_kept, tables, found = proved(chosen, lambda text: progress.update(bar, advance=1, description=text))
    Console().print(tables)
    if json_file is not None:
        json_file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if keep or not is_kept:
        console.print(f"What the processes said and what was recorded is in {world.folder}", highlight=False)
    else:
        world.remove()
    return 0 if is_kept else 1
