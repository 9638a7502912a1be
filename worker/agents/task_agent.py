"""Defines the agent that runs registered task types."""

from __future__ import annotations

from pathlib import Path

import structlog

from taskyard.core.protocol import AgentInfo, AttemptEnd, Pair, Run
from taskyard.core.redis.ports import AgentPort
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.task_types.registry import Registry
from taskyard.worker.agents.base import UNABLE_AFTER, BaseAgent
from taskyard.worker.agents.known_types import known_types
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.slots import Runners

log = structlog.get_logger(__name__)


class TaskAgent(BaseAgent):
    """Runs each attempt with the isolation that its type asks for."""

    ends_are_sound = True

    def __init__(
        self,
        info: AgentInfo,
        broker: AgentPort,
        heartbeat_broker: AgentPort,
        *,
        ttl_seconds: float,
        data_dir: Path,
        registry: Registry,
        modules: tuple[str, ...],
        output_limit_bytes: int,
        proof: str = "",
        raw_output: RawOutput | None = None,
    ) -> None:
        super().__init__(info, broker, heartbeat_broker, ttl_seconds=ttl_seconds, data_dir=data_dir, proof=proof)
        patterns = AgentSlots(info.id, tuple(info.types), frozenset(info.tags), info.max_concurrency)
        self.known_types = known_types(registry, patterns.matches)
        self._runners = Runners(
            registry,
            info.max_concurrency,
            output_limit_bytes,
            modules,
            on_stuck=self.report_stuck,
            on_hopeless=self._lose_loop,
            raw_output=raw_output,
            takes=patterns.matches,
        )

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> AttemptEnd | None:
        return self._runners.run(slot, run, channel)

    def is_unable(self) -> bool:
        return super().is_unable() or self._runners.failed_starts >= UNABLE_AFTER

    def _lose_loop(self, reason: str) -> None:
        """Ends the process after its other runs, since it can't run coroutines any more."""
        log.error("agent.loop_lost", agent=self.info.id, reason=reason)
        self.must_be_replaced = True

    def stop_execution(self, run_pair: Pair) -> None:
        self._runners.cancel(*run_pair)

    def close_execution(self) -> None:
        self._runners.close(kill=True)
