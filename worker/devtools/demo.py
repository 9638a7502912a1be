"""Adds the sample work of `make run`, and what that work needs."""

from __future__ import annotations

import os

import structlog

from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks
from taskyard.core.redis.ports import SubmitterPort
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.sample import sample_workload
from taskyard.worker.devtools.sample_files import make_samples, samples_folder

LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = structlog.get_logger(__name__)


def with_code_execution(settings: Settings) -> Settings:
    """Allows code execution in a demo if only this machine can reach the page, and the setting is not set.

    Who may submit such code is another matter: the command line, and a browser that signed in by the link.
    """
    variable = "TASKYARD_ALLOW_CODE_EXECUTION"
    if "allow_code_execution" in settings.model_fields_set or settings.dashboard_host not in LOOPBACK:
        return settings
    os.environ[variable] = "true"  # for the agents and their children
    log.warning("code_execution.allowed", for_whom="the command line and who signs in", off_by=f"{variable}=false")
    return settings.model_copy(update={"allow_code_execution": True})


def with_samples(settings: Settings) -> Settings:
    """Lets a demo's tasks read the samples, unless the setting for readable folders is set."""
    if "data_folders" in settings.model_fields_set:
        return settings
    folder = make_samples(settings.data_dir)
    os.environ["TASKYARD_DATA_FOLDERS"] = str(folder)  # for the agents and their children
    return settings.model_copy(update={"data_folders": (folder,)})


def submit_sample(settings: Settings, database: Database, broker: SubmitterPort) -> None:
    """Submits the sample workload, unless there are tasks already."""
    with database.transaction() as tx:
        if tasks.has_tasks(tx):
            return
    submitter = Submitter(settings, registry, database, broker)
    count = len(submitter.submit_many(sample_workload(samples_folder(settings.data_dir))))
    log.info("sample.submitted", tasks=count)
