"""Shares readings of the System page among viewers."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.access.identity import Actor
from taskyard.core.health.check import Check
from taskyard.core.postgres.store.rollups import HOUR, MINUTE
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import storage as storage_view
from taskyard.core.views import system
from taskyard.core.views.storage import Storage
from taskyard.core.views.system import HostCharts, Leadership, Samples, ServersNow
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading, live
from taskyard.dashboard.data.readings import seen

CHECKS_SECONDS = 30.0  # each opens a connection of its own
STORAGE_SECONDS = 30.0  # it reads every file of the database
LATEST_SECONDS = 5 * MINUTE  # a host without samples for this long counts as gone


@seen(ttl_seconds=2.0)
def servers_now(servers: Servers, _sight: Actor) -> ServersNow:
    """Returns both servers; an absent one is a finding."""
    return system.servers_now(servers.database, servers.broker, base.now())


@seen(ttl_seconds=CHECKS_SECONDS)
def server_versions(servers: Servers, _sight: Actor) -> dict[str, str]:
    """Returns the servers' versions, and the revision of our schema, by name."""
    return system.server_versions(servers.database, servers.broker)


@seen(ttl_seconds=CHECKS_SECONDS)
def checks(servers: Servers, _sight: Actor) -> list[Check]:
    """Returns the doctor's checks of the servers, and of who could run code here."""
    return system.server_checks(servers.settings)


@seen(is_whole=True)
def leadership(servers: Servers, _sight: Actor) -> Leadership:
    """Returns the current or last leader."""
    snapshot = live(servers)
    with servers.database.transaction() as tx:
        return system.leadership_now(tx, snapshot)


@seen(ttl_seconds=STORAGE_SECONDS, is_whole=True)
def storage(servers: Servers, _sight: Actor) -> Storage:
    """Returns the current storage."""
    return storage_view.storage_now(servers.database, servers.broker, servers.settings)


@seen(ttl_seconds=5.0)
def hosts_now(servers: Servers, sight: Actor) -> Samples:
    """Returns the last minutes of hosts and of our processes on them."""
    return _read_samples(servers, sight, LATEST_SECONDS, ("host", "process"))


def samples(range_seconds: int, *sources: str) -> Reading[Samples]:
    """Returns samples of some sources in a range; longer ranges are shared for longer."""
    return (_samples_fast if range_seconds <= HOUR else _samples_slow)(range_seconds, sources)


def _read_samples(servers: Servers, _sight: Actor, range_seconds: int, sources: Sequence[str]) -> Samples:
    with servers.database.transaction() as tx:
        return system.samples_of(tx, base.now().timestamp(), range_seconds, sources)


def host_charts(range_seconds: int) -> Reading[HostCharts]:
    """Returns samples of hosts and their processes in a range; longer ranges are shared for longer."""
    return (_host_charts_fast if range_seconds <= HOUR else _host_charts_slow)(range_seconds)


def _read_host_charts(servers: Servers, _sight: Actor, range_seconds: int) -> HostCharts:
    with servers.database.transaction() as tx:
        return system.host_charts(tx, base.now().timestamp(), range_seconds)


_host_charts_fast = seen(ttl_seconds=5.0)(_read_host_charts)
_host_charts_slow = seen(ttl_seconds=30.0)(_read_host_charts)
_samples_fast = seen(ttl_seconds=5.0)(_read_samples)
_samples_slow = seen(ttl_seconds=30.0)(_read_samples)
