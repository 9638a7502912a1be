"""The command `prove`: one run with its progress, its tables and its exit code."""

from __future__ import annotations

import json
import random
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from core.config import Settings
from worker.prove.report import as_json, print_tables
from worker.prove.run import Death, prove
from worker.prove.world import World


def run_prove(
    settings: Settings, *, cycles: int, minutes: float, seed: int | None, json_file: Path | None, keep: bool
) -> int:
    """Proves and prints what was found; returns 0 if the promise was kept, else 1."""
    chosen = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    world = World(settings)
    with world, Progress(*columns, console=console) as progress:
        bar = progress.add_task(f"killing, seed {chosen}", total=cycles or None)

        def note(death: Death) -> None:
            progress.update(bar, advance=1, description=f"{death.kill.kind} ({death.kill.way})")

        findings = prove(world, chosen, cycles, 60 * minutes, note)
    print_tables(findings)
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(findings), indent=1) + "\n")
    if keep or not findings.is_kept:
        console.print(f"What the processes said and what was recorded is in {world.folder}", highlight=False)
    else:
        world.remove()
    return 0 if findings.is_kept else 1
