"""An agent that fails where others don't is taken out of placement, probed, and brought back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskyard.core.config import Settings
from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Done, Run
from taskyard.core.scheduling import breaker
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.execution import failed
from tests.engine import Engine, InlineAgent, Payload, running_engine
from tests.servers import wait_until

PROBE_SECONDS = 1.0


class BrokenAgent(InlineAgent):
    """Every handler crashes here, until it is mended."""

    is_mended = False

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        done = super().execute(slot, run, channel)
        return done if self.is_mended else failed(run, ErrorClass.CRASHED, "bad memory", 1.0, 0.0)


@pytest.fixture
def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", PROBE_SECONDS)
    with running_engine(settings) as engine:
        engine.worker()
        yield engine


def work(given: Payload, context: TaskContext) -> Payload:
    return given


def breaker_events(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.database.transaction() as tx:
        return [
            tuple(row)
            for row in tx.rows(
                "SELECT event, detail->>'reason', detail->>'reason_id' FROM task_events"
                " WHERE event LIKE 'breaker%%' ORDER BY at",
                {},
            )
        ]


def test_breaker_opens_probes_and_closes(engine: Engine) -> None:
    engine.define("demo.work", work, retry=RetryPolicy(backoff_seconds=0.0))
    engine.agent("good")
    bad = engine.agent("bad", agent_class=BrokenAgent)

    def opened() -> bool:
        engine.wait_for_all([engine.submit("demo.work", max_attempts=20) for _ in range(6)])
        return bool(breaker_events(engine))

    wait_until(opened, 20)
    [(event, reason, reason_id)] = breaker_events(engine)
    assert (event, reason_id) == ("breaker_opened", "breaker.failing")
    assert "its last 5 attempts failed (crashed)" in reason
    bad.agent.is_mended = True

    def closed() -> bool:
        engine.wait_for_all([engine.submit("demo.work", max_attempts=20) for _ in range(6)])
        return len(breaker_events(engine)) > 1

    wait_until(closed, 20)
    assert breaker_events(engine)[1] == ("breaker_closed", "its probe succeeded", "breaker.probe_succeeded")
    ran = len(bad.ran)
    wait_until(lambda: closed() and len(bad.ran) > ran + 3, 20)
