"""Metrics and health over HTTP, looked at by promtool and scraped by a real Prometheus where there is one."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.errors import ConfigurationError, PermanentError
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.dispatch.outcomes import Successes
from taskyard.worker.dispatch.tick_reports import Tick
from taskyard.worker.monitor import observer as observing
from taskyard.worker.monitor.exporter import MAX_AT_ONCE, SLOW_SECONDS, Exporter
from taskyard.worker.monitor.families import MAX_LABELS, Families, _bounded
from taskyard.worker.monitor.monitor import Monitor
from taskyard.worker.monitor.recent import OTHER, TYPES_COUNTED, Recent
from tests.engine import Payload, running_engine
from tests.servers import REPOSITORY, wait_until

DEPLOY = REPOSITORY / "deploy"
NAMES = re.compile(r"\b(taskyard_[a-z0-9_]+|process_[a-z0-9_]+)\b")


class Served:
    """An engine that has worked, and its exporter."""

    def __init__(self, exporter: Exporter, monitor: Monitor, problems: list[str]) -> None:
        self.exporter, self.monitor, self.problems = exporter, monitor, problems

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"{self.exporter.url}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def served(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(observing, "COUNT_SHARE", 1.0)

    def fail(given: Payload, context: TaskContext) -> Payload:
        raise PermanentError("no")

    with running_engine(settings) as engine:
        engine.define("demo.echo", lambda given, context: given)
        engine.define("demo.fail", fail)
        engine.define("demo.nobody", fail)
        worker = engine.worker()
        engine.agent("coder", types=["demo.echo", "demo.fail"])
        monitor = Monitor(settings, engine.database, engine.broker, worker.dispatcher, "test", Clock())
        ids = [engine.submit("demo.echo") for _ in range(5)] + [engine.submit("demo.fail")]
        for task_id in ids:
            engine.wait_for(task_id)
        engine.submit("demo.nobody", queue='odd-"queue"'.replace('"', ""))
        wait_until(lambda: _observed(monitor))
        problems: list[str] = []
        families = Families(monitor.observer.recent, lambda: monitor.observer.live, worker.dispatcher.is_leading.is_set)
        at = settings.model_copy(update={"metrics_port": free_port()})
        exporter = Exporter(at, [families], health=lambda: problems, readiness=lambda: problems)
        exporter.start()
        yield Served(exporter, monitor, problems)
        exporter.stop()


def _observed(monitor: Monitor) -> bool:
    monitor.observe()
    live = monitor.observer.live
    return bool(live and live.agents and live.lanes and len(live.recent) == 2)


def test_metrics(served: Served) -> None:
    found = served.samples()
    assert found["taskyard_attempts_total", (("outcome", "succeeded"), ("type", "demo.echo"))] == 5
    assert found["taskyard_attempts_total", (("outcome", "failed"), ("type", "demo.fail"))] == 1
    assert found["taskyard_attempt_failures_total", (("error_class", "permanent"), ("type", "demo.fail"))] == 1
    assert found["taskyard_attempt_wait_seconds_count", (("type", "demo.echo"),)] == 5
    assert found["taskyard_attempt_run_seconds_bucket", (("le", "+Inf"), ("type", "demo.echo"))] == 5
    assert found["taskyard_tasks_open", (("queue", "odd-queue"), ("state", "pending"), ("type", "demo.nobody"))] == 1
    assert found["taskyard_queue_oldest_waiting_seconds", (("queue", "odd-queue"),)] >= 0
    assert found["taskyard_leader", ()] == 1
    assert found["taskyard_agents", (("state", "online"),)] == 1
    assert found["taskyard_agent_slots", (("agent", "coder"),)] == 3
    assert found["taskyard_server_up", (("server", "postgresql"),)] == 1
    assert found["taskyard_dispatcher_tasks_total", ()] >= 12
    assert found["process_resident_memory_bytes", ()] > 0
    buckets = [v for (name, labels), v in found.items() if name == "taskyard_attempt_run_seconds_bucket"]
    assert all(value >= 0 for value in buckets)


def test_health_and_readiness(served: Served) -> None:
    assert served.get("/healthz") == served.get("/readyz") == (200, "ok\n")
    served.problems.append("PostgreSQL can't be reached")
    assert served.get("/readyz") == (503, "PostgreSQL can't be reached\n")
    assert served.get("/readyz", "HEAD") == (503, "")
    assert served.get("/nothing")[0] == 404
    assert served.get("/metrics", "POST")[0] == 501


def test_a_port_that_was_asked_for_is_had_or_refused(served: Served, settings: Settings) -> None:
    assert served.exporter.url is not None
    port = int(served.exporter.url.rpartition(":")[2])
    nothing = Families(Recent(0.0), lambda: None, lambda: False)
    chosen = settings.model_copy(update={"metrics_port": port})
    with pytest.raises(ConfigurationError, match=f"TASKYARD_METRICS_PORT: {port} is taken"):
        Exporter(chosen, [nothing], list, list).start()
    elsewhere = chosen.model_copy(update={"metrics_host": "192.0.2.1"})
    with pytest.raises(ConfigurationError, match=r"TASKYARD_METRICS_HOST: '192\.0\.2\.1' can't be listened on"):
        Exporter(elsewhere, [nothing], list, list).start()


def test_without_a_port_of_ones_own_the_next_free_one_is_taken(served: Served, settings: Settings) -> None:
    assert served.exporter.url is not None
    port = int(served.exporter.url.rpartition(":")[2])
    nobody_chose = settings.model_copy(update={"metrics_port": port})
    nobody_chose.model_fields_set.discard("metrics_port")
    second = Exporter(nobody_chose, [Families(Recent(0.0), lambda: None, lambda: False)], list, list)
    second.start()
    assert second.url is not None
    assert int(second.url.rpartition(":")[2]) > port
    second.stop()


def test_a_slow_client_holds_up_nobody(served: Served) -> None:
    assert served.exporter.url is not None
    with socket.create_connection(("127.0.0.1", int(served.exporter.url.rpartition(":")[2]))) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost")
        assert served.get("/healthz")[0] == 200


def test_labels_are_bounded() -> None:
    recent = Recent(0.0)
    successes: Successes = {(f"type-{number}", "a:b"): ([0.1], [0.1]) for number in range(TYPES_COUNTED + 50)}
    for _ in range(2):
        recent.add([Tick(1, 0.1, 0.1, [], successes)], 1.0)
    assert len(recent.totals) == TYPES_COUNTED + 1
    assert recent.totals[OTHER].succeeded == 100
    values = {(f"queue-{number}", "pending"): float(number) for number in range(MAX_LABELS + 10)}
    bounded = _bounded(values, keep=(1,))
    assert len(bounded) == MAX_LABELS + 1
    assert sum(bounded.values()) == sum(values.values())
    assert bounded[OTHER, "pending"] == sum(range(10))


def exported_names(served: Served) -> set[str]:
    names = {name for name, _ in served.samples()}
    return names | {name.removesuffix("_bucket") for name in names}


@pytest.mark.parametrize("path", sorted(p.relative_to(DEPLOY).as_posix() for p in DEPLOY.rglob("*.*")))
def test_shipped_files_use_what_is_exported(served: Served, path: str) -> None:
    text = (DEPLOY / path).read_text()
    if path.endswith(".json"):
        panels = json.loads(text).get("panels", [])  # a schema has none
        text = "\n".join(target["expr"] for panel in panels for target in panel.get("targets", []))
    used = set(NAMES.findall(text)) - {"process_start"}
    assert used <= exported_names(served)


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)")


@needs_promtool
@pytest.mark.parametrize("arguments", [("rules", "rules.yml"), ("config", "prometheus.yml")])
def test_promtool_accepts_the_shipped_files(arguments: tuple[str, str]) -> None:
    command = ["promtool", "check", arguments[0], str(DEPLOY / "prometheus" / arguments[1])]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_promtool_accepts_the_metrics(served: Served) -> None:
    page = served.get("/metrics")[1]
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus (Debian: prometheus)")
def test_a_real_prometheus_scrapes_it(served: Served, tmp_path: Path) -> None:
    assert served.exporter.url is not None
    config = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:9464", served.exporter.url.removeprefix("http://")).replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(config)
    (tmp_path / "rules.yml").write_text((DEPLOY / "prometheus" / "rules.yml").read_text())
    port = free_port()
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
                return json.loads(answer.read())["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def value(query: str) -> str | None:
        result = (ask(f"query?query={query}") or {"result": []})["result"]
        return result[0]["value"][1] if result else None

    try:
        assert wait_until(lambda: value("up"), 30) == "1", (tmp_path / "log").read_text()
        assert wait_until(lambda: value("taskyard_leader"), 10) == "1"
        assert wait_until(lambda: value('taskyard_attempts_total{outcome="succeeded"}'), 10) == "5"
        groups = wait_until(lambda: (ask("rules") or {}).get("groups"), 10)
        assert all(rule["health"] in ("ok", "unknown") for group in groups for rule in group["rules"])
        assert sum(len(group["rules"]) for group in groups) >= 10
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and any(
            rule["health"] == "unknown" for group in ask("rules")["groups"] for rule in group["rules"]
        ):
            time.sleep(0.2)
        assert {rule["health"] for group in ask("rules")["groups"] for rule in group["rules"]} == {"ok"}
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def test_requests_that_only_dribble_keep_nobody_out(served: Served) -> None:
    url = urllib.parse.urlsplit(served.exporter.url)
    assert url.hostname is not None
    slow = [socket.create_connection((url.hostname, url.port or 0)) for _ in range(MAX_AT_ONCE + 1)]
    try:
        for one in slow:
            one.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        for _ in range(6):  # each takes the place of one that is slow by then
            wait_until(lambda: served.get("/healthz")[0] == 200, SLOW_SECONDS + 20, "a slow one is cut off")
    finally:
        for one in slow:
            one.close()
