"""Defines the agent whose attempts run in seats that an engine brings to its nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from taskyard.core.errors import ConfigurationError
from taskyard.core.protocol import AgentInfo, AttemptEnd, Pair, Run, SeatsReport
from taskyard.core.redis.ports import AgentPort
from taskyard.core.scheduling.agent_slots import AgentSlots
from taskyard.core.task_types.registry import Registry
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.agents.known_types import known_types
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.engines.engine import EngineProblem
from taskyard.worker.engines.known import make_engine
from taskyard.worker.engines.seat_runners import SeatRunners
from taskyard.worker.engines.settings import EngineSettings


class EngineAgent(BaseAgent):
    """Has one seat for each slot that works; an attempt's start is announced once its seat is there."""

    ends_are_sound = True

    def __init__(
        self,
        info: AgentInfo,
        broker: AgentPort,
        heartbeat_broker: AgentPort,
        *,
        engine: EngineSettings,
        ttl_seconds: float,
        data_dir: Path,
        registry: Registry,
        modules: tuple[str, ...],
        output_limit_bytes: int,
        log_level: str,
        proof: str = "",
    ) -> None:
        """Raises ConfigurationError if the engine's package, the certificate or the port can't be used."""
        super().__init__(info, broker, heartbeat_broker, ttl_seconds=ttl_seconds, data_dir=data_dir, proof=proof)
        patterns = AgentSlots(info.id, tuple(info.types), frozenset(info.tags), info.max_concurrency)
        self.known_types = known_types(registry, patterns.matches)
        if engine.runs_per_seat:
            self._run_times.largest_batch = 1  # one seat may not be enough for more
        try:
            self._runners = SeatRunners(
                make_engine(engine),
                engine,
                info.max_concurrency,
                modules,
                output_limit_bytes,
                ttl_seconds=ttl_seconds,
                log_level=log_level,
                versions={one.name: one.version for one in self.known_types},
            )
        except EngineProblem as problem:
            raise ConfigurationError([str(problem)]) from None
        self.info.awaits_hosts = self._runners.is_dialled

    def reserve(self, slot: int, task_type: str, is_wanted: Callable[[], bool]) -> str:
        return self._runners.reserve(slot, task_type, is_wanted)

    def release(self, slot: int) -> None:
        self._runners.release(slot)

    def seats(self) -> SeatsReport:
        return self._runners.report()

    def why_unplaced(self) -> str:
        return self._runners.why_none_can_run()

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> AttemptEnd | None:
        return self._runners.run(slot, run, channel)

    def stop_execution(self, run_pair: Pair) -> None:
        self._runners.cancel(*run_pair)

    def close_execution(self) -> None:
        self._runners.close(kill=True)
