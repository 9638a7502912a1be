"""A process that has submitted may fork: its children speak on connections of their own."""

from __future__ import annotations

import subprocess
import sys

from taskyard.core.config import Settings
from tests.servers import REPOSITORY

FORKS = """
import multiprocessing, sys, warnings
from taskyard import SubmissionError, submit

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads


def many(number):
    return [submit("diagnostic.echo", {"value": number}) for _ in range(20)]


def refused(number):
    submit("diagnostic.echo", {"value": 1}, queue="")


before = many(0)
with multiprocessing.get_context("fork").Pool(4) as pool:
    ids = [one for found in pool.map(many, range(8), chunksize=1) for one in found]
    try:
        pool.apply_async(refused, [1]).get(30)
    except SubmissionError as error:
        print(error.field)
print(len(set(before + ids + many(9))))
"""


def test_children_of_a_process_that_has_submitted_submit_too(settings: Settings) -> None:
    environment = {
        f"TASKYARD_{name.upper()}": str(getattr(settings, name))
        for name in ("database_url", "redis_url", "namespace", "data_dir")
    }
    done = subprocess.run(
        [sys.executable, "-c", FORKS], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["queue", "200"]
