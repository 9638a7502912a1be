"""Runs agents alone, on a host that reaches only Redis or the API, with metrics and health of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import structlog

from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.private_files import refuse_inspection
from taskyard.core.redis.log_tail import LogTail
from taskyard.core.redis.own_agent import agent_side, check_names, own_name
from taskyard.core.redis.pools import Pools
from taskyard.core.task_types.registry import registry
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.agents import unmatched
from taskyard.worker.agents.launch import EXIT_REFUSED
from taskyard.worker.agents.pool import Pool
from taskyard.worker.agents.pool_config import load_kinds
from taskyard.worker.agents.pool_sizing import Sizing
from taskyard.worker.agents.remote_spec import spec_of
from taskyard.worker.logging.setup import configure_logs
from taskyard.worker.logging.shipping import LogShipper
from taskyard.worker.monitor.exported import exporter_of
from taskyard.worker.monitor.health import AgentHostHealth, HealthLog
from taskyard.worker.monitor.process_families import ProcessFamilies
from taskyard.worker.process.garbage import keep_imported
from taskyard.worker.process.stopping import StopSignals
from taskyard.worker.remote.api_link import ApiLink, RemoteApi, TokenRefused
from taskyard.worker.remote.http_port import HttpAgentPort

REFUSED_POLL_SECONDS = 0.5
NO_REDIS = (
    "TASKYARD_REDIS_URL: not set: agents on a host of their own need it, or --url and a token; "
    "where all runs on one host, `taskyard run` runs the agents, too, and TASKYARD_POOL_FILE names their file"
)

log = structlog.get_logger(__name__)


def run_agents(settings: Settings, pool_file: Path | None) -> int:
    """Runs agents alone, for a worker on another host, until a signal; returns the exit code.

    Raises ConfigurationError or Unavailable if something it needs is wrong or missing.
    """
    refuse_inspection()
    shipper = configure_logs(settings.log_level)
    redis_url = settings.redis_url
    if redis_url is None:
        raise ConfigurationError([NO_REDIS])
    if pool_file is not None:
        settings = settings.model_copy(update={"pool_file": pool_file})
    registry.load(settings.task_modules)
    kinds = load_kinds(settings.pool_file)
    if not kinds:
        raise ConfigurationError([f"pool file {settings.pool_file}: agents: [] is not accepted here: expected a kind"])
    unmatched.warn(settings, registry, is_worker=False)
    specs = [kind.agent(n, settings.agent_suffix) for kind in kinds for n in range(1, kind.count + 1)]
    check_names(redis_url, settings.namespace, [spec.name for spec in specs])
    broker = agent_side(redis_url, settings.namespace, settings.placement_of)
    broker.ping()
    signals = StopSignals()
    sizing = None
    if own_name(redis_url, settings.namespace) is None:  # else its lines stay here, and it has the agent of its user
        shipper.start(LogTail(broker.redis, broker.keys), f"pool {socket.gethostname()}")
        specs, sizing = [], Sizing(kinds, Pools(broker.redis, broker.keys), settings.agent_suffix)
    pool = Pool(specs, redis_url, broker, settings.grace_seconds, settings.data_dir, sizing=sizing)
    _supervise(settings, pool, signals, shipper)
    return 0


def run_remote_agent(settings: Settings, pool_file: Path | None, remote: RemoteApi) -> int:
    """Runs the agent of a token, which reaches the API alone, until a signal; returns the exit code.

    Raises ConfigurationError, NotPermitted if the API refuses the token, and Unavailable.
    """
    refuse_inspection()
    shipper = configure_logs(settings.log_level)
    link = ApiLink(remote)
    try:
        identity = link.identity()
    except TokenRefused:
        return _refused(remote, link.refusal)
    if pool_file is not None:
        settings = settings.model_copy(update={"pool_file": pool_file})
    registry.load(settings.task_modules)
    spec = spec_of(identity, settings.pool_file)
    signals = StopSignals()
    pool = Pool(
        [spec], "", HttpAgentPort(link), settings.grace_seconds, settings.data_dir, remote,
        {
            "TASKYARD_AGENT_TTL_SECONDS": str(identity.heartbeat_ttl_seconds),
            "TASKYARD_OUTPUT_LIMIT_BYTES": str(identity.output_limit_bytes),
        },
    )  # fmt: skip
    log.info("agent.remote", agent=identity.name, url=remote.address.url, types=",".join(spec.types))
    _supervise(settings, pool, signals, shipper)
    link.close()
    return _refused(remote, link.refusal) if pool.is_refused else 0


def _refused(remote: RemoteApi, reason: str) -> int:
    log.error("agent.token_refused", url=remote.address.url, reason=reason or "the agent's log says why")
    return EXIT_REFUSED


def _supervise(settings: Settings, pool: Pool, signals: StopSignals, shipper: LogShipper) -> None:
    """Keeps a pool running until a signal, or until it has ended because its agent's token is refused."""
    health = AgentHostHealth(pool, signals.received.is_set)
    exporter = exporter_of(settings, [ProcessFamilies(pool, health.problems)], health.problems, health.unready)
    if exporter is not None:
        exporter.start()
    signals.on_hurry(pool.kill, lambda: None)
    supervising = start_thread("pool", pool.run, OnEscape.GO_ON, is_essential=True)
    health_log = HealthLog(health.problems)
    health_log.start()
    keep_imported()
    while not signals.received.wait(REFUSED_POLL_SECONDS) and not pool.is_refused:
        pass
    log.info("agents.draining", grace_seconds=settings.grace_seconds, hint="a second signal ends at once")
    health_log.stop()
    pool.stop()
    supervising.join()
    if exporter is not None:
        exporter.stop()
    signals.note_stopped()
    shipper.close()
    signals.note_closed()
