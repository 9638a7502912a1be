"""Fixtures of the tests of sites: their hosts, and an agent that hosts dial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.seat_bench import MakeBench, benches
from tests.site_hosts import Hosts, site_of_hosts


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with site_of_hosts(tmp_path) as hosts:
        yield hosts


@pytest.fixture
def make_bench(hosts: Hosts) -> Iterator[MakeBench]:
    """Makes agents of the site, each with settings of its own."""
    with benches(hosts.settings) as make:
        yield make
