"""Skips tests of engines whose packages are not installed, but not where they have to be."""

from __future__ import annotations

import os

import pytest

from taskyard.worker.engines.known import lacking_extra

MUST_RUN = "TASKYARD_TEST_ENGINES"  # set by `make test-engines`: what lacks an extra fails


def skip_without(name: str) -> None:
    """Skips the test if an engine's package is not there, or fails it where it must be."""
    if lacking := lacking_extra(name):
        (pytest.fail if os.environ.get(MUST_RUN) else pytest.skip)(lacking)
