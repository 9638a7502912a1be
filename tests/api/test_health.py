"""What probes are told."""

from __future__ import annotations

import redis

from taskyard.core.config import Settings
from tests.api.conftest import ELSEWHERE, URL, TestClient, problem_of
from tests.engine import Engine


def test_probes_need_no_token(client: TestClient, app: object) -> None:
    stranger = TestClient(app, base_url=URL, client=ELSEWHERE)  # type: ignore[arg-type]
    assert stranger.get("/healthz").json() == {"status": "ok"}
    assert stranger.get("/readyz").json() == {"status": "ok"}


def test_without_postgresql_it_serves_and_is_not_ready(client: TestClient, engine: Engine) -> None:
    with engine.postgresql_away():
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert problem_of(answer, 503)["detail"]
        assert answer.headers["retry-after"] == "2"
        problem_of(client.get("/api/v1/queues"), 503)


def test_without_redis_it_is_not_ready(client: TestClient, settings: Settings, monkeypatch: object) -> None:
    services = client.app.state.services  # type: ignore[attr-defined]

    def away(*_args: object, **_options: object) -> None:
        raise redis.ConnectionError("refused")

    services.broker.redis.execute_command = away
    assert "Redis" in problem_of(client.get("/readyz"), 503)["detail"]
