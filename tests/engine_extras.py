"""Skips tests of engines that are not installed, but not where they have to be."""

from __future__ import annotations

import os

import pytest

from taskyard.worker.engines.known import lacking_extra

MUST_RUN = "TASKYARD_TEST_ENGINES"  # set by `make test-engines`: what lacks an engine fails


def skip_without(name: str) -> None:
    """Skips the test if an engine's package is not there, or fails it where it must be."""
    skip_lacking(lacking_extra(name))


def skip_lacking(what: str) -> None:
    """Skips the test if something is lacking (a sentence, or empty), or fails it where it must be there."""
    if what:
        (pytest.fail if os.environ.get(MUST_RUN) else pytest.skip)(what)
