"""Settings: every problem at once, no secret in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskyard.core.config import Settings, load_settings
from taskyard.core.errors import ConfigurationError
from taskyard.core.unknown_settings import unknown_settings


def test_defaults_need_no_environment() -> None:
    settings = load_settings()

    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.data_dir == Path(".data")
    assert settings.namespace == "main"
    assert settings.allow_code_execution is False
    assert settings.dashboard_host == "127.0.0.1"


def test_environment_lists_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_TASK_MODULES", "mine.first, mine.second,")
    monkeypatch.setenv("TASKYARD_PLACEMENT_BY_QUEUE", '{"reports": "priority"}')
    monkeypatch.setenv("TASKYARD_AGENT_TTL_SECONDS", "20")

    settings = load_settings()

    assert settings.task_modules == ("mine.first", "mine.second")
    assert settings.placement_of("reports") == "priority"
    assert settings.placement_of("default") == "least_loaded"
    assert settings.agent_ttl_seconds == 20


def test_empty_urls_mean_the_embedded_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_DATABASE_URL", "")
    monkeypatch.setenv("TASKYARD_REDIS_URL", "")
    monkeypatch.setenv("TASKYARD_POOL_FILE", "")

    settings = load_settings()

    assert (settings.database_url, settings.redis_url, settings.pool_file) == (None, None, None)


def test_dotenv_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("TASKYARD_NAMESPACE=from-file\nOTHER_PROGRAM=1\n")
    monkeypatch.setitem(Settings.model_config, "env_file", str(tmp_path / ".env"))

    assert load_settings().namespace == "from-file"


def test_every_problem_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_NAMESPACE", "Not Good")
    monkeypatch.setenv("TASKYARD_PLACEMENT", "random")
    monkeypatch.setenv("TASKYARD_AGENT_TTL_SECONDS", "1")
    monkeypatch.setenv("TASKYARD_INPUT_LIMIT_BYTES", "many")

    with pytest.raises(ConfigurationError) as raised:
        load_settings()

    problems = raised.value.problems
    assert len(problems) == 4
    for name, value in (
        ("NAMESPACE", "Not Good"),
        ("PLACEMENT", "random"),
        ("AGENT_TTL_SECONDS", "1"),
        ("INPUT_LIMIT_BYTES", "many"),
    ):
        assert any(f"TASKYARD_{name}" in problem and value in problem for problem in problems), name
    assert all("\n" not in problem for problem in problems)


@pytest.mark.parametrize("name", ["TASKYARD_DATABASE_URL", "TASKYARD_REDIS_URL"])
def test_a_bad_url_is_named_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "mysql://user:s3cret@host/db")

    with pytest.raises(ConfigurationError) as raised:
        load_settings()

    assert name in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_urls_are_not_printed_with_the_settings() -> None:
    settings = load_settings(database_url="postgresql://u:s3cret@h/d", redis_url="redis://:s3cret@h")

    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(("tasks", "events"), [(90, 30), (0, 30)])
def test_events_are_kept_as_long_as_tasks(tasks: int, events: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"RETENTION_EVENTS_DAYS: {events} is not accepted: .*tasks"):
        load_settings(retention_tasks_days=tasks, retention_events_days=events)


def test_events_may_be_kept_for_ever() -> None:
    assert load_settings(retention_tasks_days=90, retention_events_days=0).retention_events_days == 0


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AGENT_TTL_SECONDS", "nan", "expected a finite number"),
        ("GRACE_SECONDS", "inf", "expected a finite number"),
        ("GRACE_SECONDS", "", "expected a number"),
        ("INPUT_LIMIT_BYTES", "9" * 5000, "with fewer digits"),
        ("PLACEMENT_BY_QUEUE", "{", "expected JSON: "),
        ("PLACEMENT_BY_QUEUE", "[" * 100_000, "expected JSON: "),
        ("PLACEMENT_BY_QUEUE", "[]", "an object"),
        ("PLACEMENT_BY_QUEUE", '{"a": "random"}', "'round_robin', 'least_loaded', 'priority' or 'learned'"),
        ("PLACEMENT_BY_QUEUE", '{"a": "priority", "a": "priority"}', "expected each only once: a"),
        ("PLACEMENT_BY_QUEUE", '{"Reports": "priority"}', "expected names of queues, these are none"),
        ("TASK_MODULES", "acme/tasks.py", "expected names of modules such as acme.tasks: acme/tasks.py"),
        ("TASK_MODULES", ".tasks", "expected names of modules such as acme.tasks"),
        ("TASK_MODULES", "acme,acme", "expected each only once: acme"),
        ("REPORTS", "daily,hourly", "'daily' or 'weekly'"),
        ("REPORT_FORMATS", "pdf,pdf", "expected each only once: pdf"),
        ("DASHBOARD_HOST", "", "expected an address or a host name"),
        ("METRICS_HOST", "a host", "expected an address or a host name"),
        ("DASHBOARD_PORT", "80.5", "a whole number"),
        ("DATA_DIR", "", "expected a folder"),
        ("ALLOW_CODE_EXECUTION", "perhaps", "true or false"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("NAMESPACE", "main\n", "text that matches the pattern"),
    ],
)
def test_a_setting_is_refused_in_one_line(name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TASKYARD_{name}", value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    (problem,) = raised.value.problems
    assert problem.startswith(f"TASKYARD_{name}")
    assert "is not accepted: " in problem
    assert reason in problem
    assert "\n" not in problem
    assert len(problem) < 500


def test_what_looks_like_a_setting_and_is_none_is_named() -> None:
    given = {
        "TASKYARD_NAMESPCE": "x",
        "TASKYARD_ZZZ": "",
        "TASKYARD_FORK_SERVER": "",
        "TASKYARD_TEST_X": "",
        "HOME": "/",
    }
    assert unknown_settings({**given, "TASKYARD_NAMESPACE": "main"}) == [
        "TASKYARD_NAMESPCE is not a setting: did you mean TASKYARD_NAMESPACE?",
        "TASKYARD_ZZZ is not a setting",
    ]


def test_a_password_in_the_url_of_any_setting_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKYARD_DASHBOARD_HOST", "http://me:s3cret@proxy")
    with pytest.raises(ConfigurationError, match="TASKYARD_DASHBOARD_HOST: 'http://me") as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)
