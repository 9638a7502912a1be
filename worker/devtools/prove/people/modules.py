"""Provides the installation's own task module: its two versions, and the ways in which it breaks."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "yard_tasks"

OLDER = '''
from taskyard.core.task_types.registry import task_type
from taskyard.worker.devtools.prove.tasks import MANY, Work, Worked, work


@task_type("prove.changing", retry=MANY, timeout_seconds=60)
def changing(given: Work, context) -> Worked:
    """Works; the newer version knows one field more."""
    return work(given, context)
'''

NEWER = '''
from pydantic import Field

from taskyard.core.task_types.registry import task_type
from taskyard.worker.devtools.prove.tasks import MANY, Work, Worked, work


class MoreWork(Work):
    """A field with a default is new."""

    note: str = Field("nothing", max_length=100)


@task_type("prove.changing", retry=MANY, timeout_seconds=60)
def changing(given: MoreWork, context) -> Worked:
    """Works."""
    return work(given, context)


@task_type("prove.new", retry=MANY, timeout_seconds=60)
def new(given: MoreWork, context) -> Worked:
    """Works, and only the newer version knows it."""
    return work(given, context)
'''

BROKEN = {
    "syntax": "def broken(:\n",
    "raises": "raise RuntimeError('the module is broken')\n",
    "exits": "import sys\nsys.exit(3)\n",
    "parses arguments": "import argparse\nargparse.ArgumentParser().parse_args(['--no-such-option'])\n",
    "wrong declaration": (
        "from datetime import timedelta\nfrom taskyard.core.task_types.registry import RetryPolicy\n"
        "RetryPolicy(backoff_seconds=timedelta(seconds=5))\n" + OLDER
    ),
}


def write(folder: Path, text: str) -> None:
    """Puts the module into `folder` in one step, as a deployment does."""
    folder.mkdir(exist_ok=True)
    part = folder / f"{NAME}.part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, folder / f"{NAME}.py")
