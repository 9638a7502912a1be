"""Runs an agent in a process of its own, as its pool wants it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec
import structlog

from taskyard.core import threads
from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError, TaskyardError, Unavailable
from taskyard.core.private_files import keep_files_private, refuse_inspection
from taskyard.core.protocol import VERSION, AgentInfo
from taskyard.core.redis.connection import connect_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.log_tail import LogTail
from taskyard.core.redis.own_agent import agent_side, check_names, own_name
from taskyard.core.redis.ports import AgentPort
from taskyard.core.task_types.registry import registry
from taskyard.core.threads import OnEscape, start_thread
from taskyard.worker.agents.agent_class import make_agent
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.agents.health import HealthSender, report_of, tell_failure
from taskyard.worker.agents.launch import EXIT_REFUSED, EXIT_REPLACE, Launch
from taskyard.worker.agents.siblings import divide
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.isolation.divided_output import divide_output
from taskyard.worker.isolation.process_tree import die_with_parent, set_subreaper
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.logging.shipping import LogShipper
from taskyard.worker.process.garbage import keep_imported

if TYPE_CHECKING:
    from taskyard.worker.remote.api_link import ApiLink

MAX_SECRET_LENGTH = 100_000  # characters of a line; an engine's address may hold a password
START_RETRY_SECONDS = 0.5
UNABLE = "attempts could not start, or reports could not be sent: descriptors, processes, memory or disk used up"

log = structlog.get_logger(__name__)


def main(made_fd: int, argument: str) -> int:
    """Runs the agent of `argument` until it is asked to stop; returns the exit code.

    Makes the processes of those in its standard input, in which it does the same for these.
    """
    keep_files_private()
    refuse_inspection()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # as it was started with
    registry.load()  # the shipped modules, once for all of them
    launch = divide([msgspec.json.decode(argument, type=Launch), *_others()], made_fd)
    try:
        return _prepared(launch)
    except TaskyardError as error:
        log.error("agent.failed", agent=launch.name, kind=launch.kind, reason=str(error))
        reason = str(error)
    except BaseException as error:  # the interpreter's own output is no longer read by anyone
        log.exception("agent.failed", agent=launch.name, kind=launch.kind)
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    if launch.health_fd is not None:
        tell_failure(launch.health_fd, reason)
    return 1


def _others() -> list[Launch]:
    """Reads the launches of further agents from the standard input, which is empty from then on."""
    told = sys.stdin.buffer.read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    return msgspec.json.decode(told, type=list[Launch]) if told else []


def _prepared(launch: Launch) -> int:
    """Runs the agent with what the pool and the settings tell this process; returns the exit code."""
    # neither arguments nor the environment keep a secret
    with open(launch.secrets_fd, encoding="utf-8") as pipe:
        proof, token, told = (pipe.readline(MAX_SECRET_LENGTH).strip() for _ in range(3))
    if not proof:
        return 0  # its supervisor needs no such agent, or is gone
    engine = msgspec.json.decode(told, type=EngineSettings) if told else None
    try:
        die_with_parent(launch.parent_pid)
    except ProcessLookupError:
        return 0  # its supervisor has just gone
    set_subreaper(True)
    settings = load_settings(database_url=None)  # which it does not use; to check a URL loads the driver
    if settings.redis_url is None and not launch.api_url:
        raise ConfigurationError(["TASKYARD_REDIS_URL: not set: an agent process needs it"])
    shipper, raw_output = divide_output(settings.log_level)
    try:
        return _run(launch, engine, proof, token, settings, shipper, raw_output)
    finally:
        if raw_output is not None:
            raw_output.close()


def _run(
    launch: Launch,
    engine: EngineSettings | None,
    proof: str,
    token: str,
    settings: Settings,
    shipper: LogShipper,
    raw_output: RawOutput | None,
) -> int:
    registry.load(settings.task_modules)
    info = AgentInfo(
        id=f"{launch.name}:{launch.boot_id}",
        name=launch.name,
        boot_id=launch.boot_id,
        kind=launch.kind,
        host=socket.gethostname(),
        pid=os.getpid(),
        types=launch.types,
        tags=launch.tags,
        max_concurrency=launch.max_concurrency,
        version=VERSION,
        agent_class=launch.agent_class,
    )
    links, ports = _links(launch, token)
    if settings.redis_url is not None and not links:
        check_names(settings.redis_url, settings.namespace, [launch.name])
        if own_name(settings.redis_url, settings.namespace) is None:  # otherwise its lines stay on its host
            shipper.start(LogTail(connect_redis(settings.redis_url), Keys(settings.namespace)), f"agent {launch.name}")
        ports = [agent_side(settings.redis_url, settings.namespace, settings.placement_of) for _ in range(2)]
    keep_imported()
    agent = make_agent(
        launch.agent_class,
        (info, *ports),
        {
            "ttl_seconds": settings.agent_ttl_seconds,
            "data_dir": settings.data_dir,
            "registry": registry,
            "modules": settings.task_modules,
            "output_limit_bytes": settings.output_limit_bytes,
            "proof": proof,
            "raw_output": raw_output,
            "log_level": settings.log_level,
            "engine": engine,
        },
    )
    try:
        return _serve(agent, settings, launch.health_fd, links)
    finally:
        shipper.close()


def _links(launch: Launch, token: str) -> tuple[list[ApiLink], list[AgentPort]]:
    """Returns the links to the API for an agent and its heartbeats, and their ports; none for one that comes by Redis.

    Only one that comes by the API loads an HTTP client.
    """
    if not launch.api_url:
        return [], []
    from taskyard.client.address import address_of
    from taskyard.worker.remote.api_link import ApiLink, RemoteApi
    from taskyard.worker.remote.http_port import HttpAgentPort

    ca_file = Path(launch.ca_file) if launch.ca_file else None
    remote = RemoteApi(address_of(launch.api_url, token, {}), ca_file)
    links = [ApiLink(remote), ApiLink(remote, pauses=False)]
    return links, [HttpAgentPort(link) for link in links]


def _serve(agent: BaseAgent, settings: Settings, health_fd: int | None, links: Sequence[ApiLink]) -> int:
    stopping = threading.Event()

    def on_term(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    leaving = threading.Event()
    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: leaving.set())
    if health_fd is not None:
        teller = HealthSender(health_fd, lambda: report_of(agent.problems(), agent.takes_work, agent.welcomed.is_set()))
        teller.start()
    if not _started(agent, stopping, links):
        return EXIT_REFUSED if _refusal(links) else 0
    log.info("agent.started", agent=agent.info.id, types=",".join(agent.info.types), by=type(agent).__qualname__)
    start_thread("inbox", agent.run, OnEscape.END_PROCESS, is_essential=True, is_over=lambda: agent.is_given_up)
    while not (leaving.is_set() or _is_over(agent, stopping, links)):
        stopping.wait(0.2)
    if leaving.is_set() and not stopping.is_set():
        log.info("agent.leaving", agent=agent.info.id)
        agent.finish(lambda: _is_over(agent, stopping, links))
    grace_seconds = settings.grace_seconds
    if refusal := _refusal(links):
        # nothing of it is heard any more: what runs longer than its lease would run beside another attempt
        grace_seconds = min(grace_seconds, settings.agent_ttl_seconds / 2)
        log.error("agent.token_refused", agent=agent.info.id, reason=refusal)
    log.info("agent.draining", agent=agent.info.id, grace_seconds=grace_seconds, will_restart=agent.must_be_replaced)
    agent.drain(grace_seconds)
    agent.stop()
    log.info("agent.stopped", agent=agent.info.id)
    if _refusal(links):
        return EXIT_REFUSED
    return EXIT_REPLACE if agent.must_be_replaced else 0


def _is_over(agent: BaseAgent, stopping: threading.Event, links: Sequence[ApiLink]) -> bool:
    """Returns True if it should stop, is refused, or must be replaced, also because it is unable to work."""
    if not agent.must_be_replaced and (threads.must_end_process() or agent.is_unable()):
        log.error("agent.unable", agent=agent.info.id, reason="; ".join(threads.problems()) or UNABLE)
        agent.must_be_replaced = True
    return stopping.is_set() or agent.must_be_replaced or bool(_refusal(links))


def _refusal(links: Sequence[ApiLink]) -> str:
    """Returns why the API refuses the agent's token; empty while it does not."""
    return next((link.refusal for link in links if link.refusal), "")


def _started(agent: BaseAgent, stopping: threading.Event, links: Sequence[ApiLink]) -> bool:
    """Starts the agent once its first heartbeat is accepted; returns False if it was asked to stop, or is refused."""
    while not stopping.is_set() and not _refusal(links):
        try:
            agent.start()
            return True
        except Unavailable as error:
            agent.heartbeat.note_trouble(str(error))
            stopping.wait(START_RETRY_SECONDS)
    return False
