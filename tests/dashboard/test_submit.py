"""Submitting one task by form: what it asks, what it refuses, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.models import Task
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from tests.dashboard.conftest import OpenPage
from tests.shipped import SHIPPED_NAMES

READY = {"code.run": ("script", "print(1)"), "analysis.profile": ("path", "a.csv"), "code.metrics": ("folder", "src")}
READY |= {"testing.pytest": ("folder", "tests")}


def field(name: str, of: str) -> str:
    """The key of a field's widget."""
    return f"submit_input_{of}.{name}"


def press(page: AppTest) -> AppTest:
    return page.button(key="submit_one").click().run()


def tasks(database: Database) -> list[Task]:
    """Every task with its input, oldest first."""
    with database.transaction() as tx:
        return [tasks_store.get_task(tx, task.id) for task in reversed(tasks_store.list_tasks(tx, limit=100))]


def said(page: AppTest) -> str:
    """Everything that the page says."""
    kinds = ("markdown", "caption", "text", "error", "warning", "info", "success", "badge")
    return "\n".join(str(element.value) for kind in kinds for element in page.get(kind) if hasattr(element, "value"))


def problems(page: AppTest) -> list[str]:
    return [text.value for text in page.markdown if text.value.startswith(":red[:material/error:")]


def test_without_a_type_it_says_what_there_is(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit")

    assert not page.exception
    assert list(page.dataframe[0].value["type"]) == sorted(registry.types)
    assert "in this session appear here" in said(page)
    with pytest.raises(KeyError):
        page.button(key="submit_one")


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_every_shipped_type_is_submitted_by_its_form(
    open_page: OpenPage, database: Database, signed_in: str, name: str
) -> None:
    page = open_page("submit", query={"type": name})
    assert not page.exception
    assert page.selectbox(key="submit_type").value == name
    if name in READY:
        press(page)
        assert not page.exception
        assert problems(page) or page.error  # something is required, and the form says so
        which, text = READY[name]
        page.session_state[field(which, name)] = text

    press(page)

    assert not page.exception
    [task] = tasks(database)
    assert task.type == name
    assert task.created_by.startswith("ann@")
    assert task.idempotency_key.startswith("form-")
    assert task.queue == "default"
    model = registry.get(name).input_model
    expected = {READY[name][0]: READY[name][1]} if name in READY else {}
    assert model.model_validate(task.input) == model.model_validate(expected)  # stored as given, without defaults


def test_who_submitted_is_in_the_audit_log(open_page: OpenPage, database: Database) -> None:
    press(open_page("submit", query={"type": "diagnostic.noop"}))
    [task] = tasks(database)
    with database.transaction() as tx:
        [event] = tasks_store.history(tx, task.id)
    assert (event.event, event.actor) == ("submitted", task.created_by)
    assert event.actor.startswith("dashboard@")


def test_what_is_typed_is_submitted_with_every_option(
    open_page: OpenPage, database: Database, submitter: Submitter
) -> None:
    parent = submitter.submit("diagnostic.noop")
    name = "diagnostic.sleep"
    page = open_page("submit", query={"type": name}, placement_by_queue='{"nightly": "priority"}')
    page.text_input(key=field("seconds", name)).set_value("2.5")
    page.segmented_control(key=field("mode", name)).set_value("c")
    page.text_input(key="submit_option_title").set_value("A nap")
    page.segmented_control(key="submit_option_priority").set_value("high")
    page.selectbox(key="submit_option_queue").select("nightly")
    page.text_input(key="submit_option_timeout_seconds").set_value("12")
    page.text_input(key="submit_option_max_attempts").set_value("1")
    page.multiselect(key="submit_option_requires").set_value(["gpu"])
    page.text_input(key="submit_option_idempotency_key").set_value("nap-1")
    page.text_area(key="submit_option_after").set_value(f" {parent} \n")
    page.segmented_control(key="submit_start_when").set_value("in").run()
    page.text_input(key="submit_start_delay").set_value("3")
    page.segmented_control(key="submit_start_unit").set_value("h").run()
    assert "in 3 h, timeout 12 s, attempts, tags, after others, own key" in page.expander(key="submit_more").label

    press(page)

    assert not page.exception
    task = tasks(database)[1]
    assert task.input == {"seconds": 2.5, "mode": "c", "grandchildren": 2}
    assert (task.title, task.queue, task.priority.label, task.requires) == ("A nap", "nightly", "high", ("gpu",))
    assert (task.timeout_seconds, task.max_attempts, task.idempotency_key) == (12.0, 1, "nap-1")
    assert task.state == "blocked"
    assert task.run_at is not None
    assert round((task.run_at - task.created_at).total_seconds()) == 3 * 3600


def test_a_problem_is_told_at_its_field_and_goes_when_it_is_solved(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "code.run"})
    assert problems(page) == []

    press(page)

    assert [problem for problem in problems(page) if "Required" in problem]
    assert tasks(database) == []

    page.text_area(key=field("script", "code.run")).set_value("print(1)").run()
    assert problems(page) == []
    assert tasks(database) == []


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("submit_option_title", "   ", "not blank"),
        ("submit_option_after", "nonsense", "the id of a task"),
        ("submit_option_after", "00000000-0000-7000-8000-000000000000", "existing task"),
        ("submit_option_requires", ["No!"], "lower\\-case letters"),
        ("submit_option_idempotency_key", "a\x00b", "NUL"),
        ("submit_option_timeout_seconds", "-5", "\\-5"),
        ("submit_option_timeout_seconds", "1e", "a number, with a point before decimals"),
        ("submit_option_max_attempts", "1.5", "a whole number"),
    ],
)
def test_what_the_core_refuses_is_told_at_the_option(
    open_page: OpenPage, database: Database, key: str, value: Any, expected: str
) -> None:
    page = open_page("submit", query={"type": "diagnostic.noop"})
    page.session_state[key] = value

    press(page)

    assert not page.exception
    assert [error.value for error in page.error] == ["1 field needs correction."]
    [problem] = problems(page)
    assert expected in problem
    assert tasks(database) == []
    assert page.session_state[key] == value


def test_a_rule_of_the_whole_model_is_told_above_the_button(open_page: OpenPage, database: Database) -> None:
    page = press(open_page("submit", query={"type": "testing.pytest"}))

    assert problems(page) == []
    assert "expected exactly one of folder and files" in page.error[0].value
    assert tasks(database) == []


def test_pressing_twice_submits_once_and_again_on_purpose(open_page: OpenPage, database: Database) -> None:
    page = open_page("submit", query={"type": "diagnostic.echo"})
    page.text_area(key=field("value", "diagnostic.echo")).set_value("[1]")

    press(page)
    press(page)

    assert len(tasks(database)) == 1
    page.button(key="submit_once_more").click().run()
    assert not page.exception
    first, second = tasks(database)
    assert first.input == second.input == {"value": [1]}
    assert first.idempotency_key != second.idempotency_key

    page.text_area(key=field("value", "diagnostic.echo")).set_value("[2]")
    press(page)
    assert len(tasks(database)) == 3


def test_a_key_that_is_taken_by_other_content_is_told_at_the_key(
    open_page: OpenPage, database: Database, submitter: Submitter
) -> None:
    submitter.submit("diagnostic.noop", idempotency_key="mine")
    page = open_page("submit", query={"type": "diagnostic.echo"})
    page.text_input(key="submit_option_idempotency_key").set_value("mine")

    press(page)

    [problem] = problems(page)
    assert "already uses it with another type" in problem
    assert len(tasks(database)) == 1


def test_expert_mode_holds_the_same_value_both_ways(open_page: OpenPage, database: Database) -> None:
    name = "diagnostic.sleep"
    page = open_page("submit", query={"type": name})
    page.text_input(key=field("seconds", name)).set_value("7")
    page.toggle(key=field("#expert", name)).set_value(True).run()
    editor = page.text_area(key=field("#json", name))
    assert '"seconds": 7.0' in editor.value

    editor.set_value('{"seconds": "many", "mode": "c", "unknown": [1]}').run()
    page.toggle(key=field("#expert", name)).set_value(False).run()

    assert not page.exception
    assert page.segmented_control(key=field("mode", name)).value == "c"
    assert page.text_area(key=field("seconds", name)).value == '"many"'  # no number: shown as the JSON it is
    assert '"unknown"' in page.text_area(key=field("*", name)).value

    page.toggle(key=field("#expert", name)).set_value(True).run()
    assert '"seconds": "many"' in page.text_area(key=field("#json", name)).value
    assert '"unknown"' in page.text_area(key=field("#json", name)).value

    page.text_area(key=field("#json", name)).set_value('{"seconds": 0.25}')
    press(page)
    assert tasks(database)[0].input == {"seconds": 0.25}


def test_bad_json_stays_where_it_is(open_page: OpenPage, database: Database) -> None:
    name = "diagnostic.echo"
    page = open_page("submit", query={"type": name})
    page.text_area(key=field("value", name)).set_value("{'a': 1}").run()
    page.toggle(key=field("#expert", name)).set_value(True).run()

    assert page.toggle(key=field("#expert", name)).value is False
    assert page.text_area(key=field("value", name)).value == "{'a': 1}"
    assert "JSON" in problems(page)[0]

    page.text_area(key=field("value", name)).set_value("1").run()
    page.toggle(key=field("#expert", name)).set_value(True).run()
    page.text_area(key=field("#json", name)).set_value("[1, 2").run()
    page.toggle(key=field("#expert", name)).set_value(False).run()
    assert page.toggle(key=field("#expert", name)).value is True
    assert page.text_area(key=field("#json", name)).value == "[1, 2"
    assert "JSON" in problems(page)[0]
    press(page)
    assert "not valid JSON" in page.error[0].value
    assert tasks(database) == []
