"""Submitting many tasks from a file: what is read, what is refused, and going on after a stop."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import commands, holds, recovery
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.scheduling.holds import HoldKind, HoldMode
from taskyard.core.submission.bulk_rows import row_key
from taskyard.core.submission.submit import Submitter
from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.pages.submit import bulk_file, data
from tests.dashboard.conftest import HOSTILE, NOBODY_URLS, OpenPage, SignIn, refreshed
from tests.dashboard.test_submit import said, tasks
from tests.outages import switch_for

GOOD = b"type,input.value,title,priority\r\ndiagnostic.echo,1,One,high\r\ndiagnostic.echo,2,Two,low\r\n"


@pytest.fixture
def many(open_page: OpenPage) -> AppTest:
    """The page with the uploader."""
    return to_files(open_page("submit"))


def to_files(page: AppTest) -> AppTest:
    page.segmented_control(key="submit_mode").set_value("many").run()
    assert not page.exception
    return page


def upload(page: AppTest, content: bytes, name: str = "tasks.csv") -> AppTest:
    page.file_uploader(key="submit_upload").set_value((name, content, "text/csv"))
    page.run()
    assert not page.exception
    return page


def press(page: AppTest) -> AppTest:
    page.button(key="submit_many").click().run()
    assert not page.exception
    return page


def button(page: AppTest, label: str) -> AppTest:
    [found] = [button for button in page.button if button.label == label]
    found.click().run()
    assert not page.exception
    return page


def test_a_good_file_is_shown_and_submitted_as_the_viewer(many: AppTest, database: Database) -> None:
    upload(many, GOOD)
    assert list(many.dataframe[0].value["title"]) == ["One", "Two"]
    assert tasks(database) == []

    press(many)

    first, second = tasks(database)
    assert [(t.title, t.input, t.priority.label) for t in (first, second)] == [
        ("One", {"value": 1}, "high"),
        ("Two", {"value": 2}, "low"),
    ]
    assert first.created_by.startswith("dashboard@")
    with database.transaction() as tx:
        assert [event.actor for event in tasks_store.history(tx, first.id)] == [first.created_by]
    assert "2 tasks accepted" in many.success[0].value


def test_json_lines_and_pasted_texts_are_read(many: AppTest, database: Database) -> None:
    upload(many, b'{"type": "diagnostic.echo", "input": {"value": [1]}}\n', "tasks.jsonl")
    press(many)
    many.text_area(key="submit_paste").set_value("type\tinput.value\ndiagnostic.echo\ttext")
    button(many, "Read pasted text")
    press(many)

    assert [task.input for task in tasks(database)] == [{"value": [1]}, {"value": "text"}]


def test_nothing_is_submitted_before_every_row_is_valid_or_the_others_are_left_out(
    many: AppTest, database: Database
) -> None:
    upload(many, GOOD + b"diagnostic.echo,1,=1+1,=1+1\r\ndiagnostic.nope,1,,\r\n")

    table = many.dataframe[0].value
    assert list(table["row"]) == [4, 5]
    assert list(table["field"]) == ["priority", "type"]
    assert list(table["value"]) == ["'=1+1", "diagnostic.nope"]
    assert many.button(key="submit_many").disabled
    assert "Submit is disabled while" in said(many)

    many.toggle(key="submit_only_valid").set_value(True).run()
    press(many)

    assert [task.title for task in tasks(database)] == ["One", "Two"]
    assert "2 rows skipped" in many.success[0].value


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"type,title\nx,a\x00b", "NUL"),
        ("type,title\nx,Größe".encode("cp1252"), "UTF\\-8"),
        (f"type,{HOSTILE}\nx,y".encode(), "a first row with the columns' names"),
        (b"type,type\nx,y", "only once"),
    ],
)
def test_a_file_that_can_not_be_read_is_explained(
    many: AppTest, database: Database, content: bytes, expected: str
) -> None:
    upload(many, content)

    assert expected in many.error[0].value
    assert "<script>" not in re.sub(r"\\<", "", many.error[0].value)
    with pytest.raises(KeyError):
        many.button(key="submit_many")


def test_hostile_texts_in_rows_are_shown_as_they_are(many: AppTest, database: Database) -> None:
    upload(many, f'type,title\ndiagnostic.noop,"{HOSTILE}"\n{HOSTILE},\n'.encode())
    many.toggle(key="submit_only_valid").set_value(True).run()
    press(many)
    with database.transaction() as tx:
        commands.cancel(tx, tasks(database)[0].id, "test", "")
    refreshed(many)

    assert not many.exception
    for kind in ("markdown", "caption", "success", "warning", "info", "error"):
        assert all("<script>" not in re.sub(r"\\<", "", str(element.value)) for element in many.get(kind))


def test_the_same_file_again_adds_nothing_unless_that_is_wanted(
    many: AppTest, open_page: OpenPage, database: Database
) -> None:
    press(upload(many, GOOD))
    page = upload(to_files(open_page("submit")), GOOD, "renamed.csv")
    assert "were submitted before" in page.info[0].value

    press(page)
    assert len(tasks(database)) == 2

    button(page, "Submit all rows again")
    press(page)
    assert len(tasks(database)) == 4


def test_keys_of_the_file_are_kept_and_a_taken_one_stops_at_its_row(
    many: AppTest, database: Database, submitter: Submitter
) -> None:
    submitter.submit("diagnostic.noop", idempotency_key="taken")
    content = b"type,title,idempotency_key\ndiagnostic.noop,A,mine\ndiagnostic.noop,B,taken\ndiagnostic.noop,C,\n"
    press(upload(many, content))

    assert "0 of 3 tasks were accepted" in many.warning[0].value
    assert "Row 3: idempotency_key: taken" in said(many)
    assert len(tasks(database)) == 1

    button(many, "Skip row 3")
    press(many)

    _taken, first, second = tasks(database)
    digest = data.check_file(content, "a.csv")[0].digest
    assert [first.idempotency_key, second.idempotency_key] == ["mine", row_key(digest, 4)]
    assert "2 tasks accepted. 1 row skipped." in many.success[0].value


def test_a_server_that_goes_away_on_the_way_is_counted_and_gone_on_from(
    many: AppTest, database: Database, server_endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_file, "CHUNK", 10)
    upload(many, b"type\n" + b"diagnostic.noop\n" * 35)
    stored = 0
    submit_rows = data.submit_rows

    with switch_for(database.url, server_endpoints.database_url) as away:

        def then_away(rows: object) -> list[str]:
            nonlocal stored
            if stored == 2:
                away()
            stored += 1
            return submit_rows(rows)  # type: ignore[arg-type]

        monkeypatch.setattr(data, "submit_rows", then_away)
        press(many)
        assert "20 of 35 tasks were accepted" in many.warning[0].value
        assert "can't be reached" in said(many)
        press(many)
        assert "20 of 35 tasks were accepted" in many.warning[0].value
    monkeypatch.setattr(data, "submit_rows", submit_rows)
    database.close()
    assert len(tasks(database)) == 20

    press(many)

    assert "35 tasks accepted" in many.success[0].value
    assert len(tasks(database)) == 35
    assert len({task.idempotency_key for task in tasks(database)}) == 35


def test_an_answer_that_was_lost_on_the_way_submits_nothing_twice(
    many: AppTest, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_rows = data.submit_rows

    def stored_but_not_told(rows: object) -> list[str]:
        submit_rows(rows)  # type: ignore[arg-type]
        raise data.Unavailable("PostgreSQL can't be reached: the answer was lost")

    upload(many, GOOD)
    monkeypatch.setattr(data, "submit_rows", stored_but_not_told)
    press(many)
    assert "0 of 2 tasks were accepted" in many.warning[0].value
    monkeypatch.setattr(data, "submit_rows", submit_rows)

    press(many)

    assert len(tasks(database)) == 2
    assert "2 tasks accepted" in many.success[0].value


def test_a_queue_that_drains_is_told(many: AppTest, database: Database) -> None:
    with database.transaction() as tx:
        holds.hold(tx, HoldKind.QUEUE, "default", HoldMode.DRAINING, "test", "moving")
    press(upload(many, GOOD))

    assert "0 of 2 tasks were accepted" in many.warning[0].value
    assert "one that accepts new tasks" in said(many)


def test_with_servers_away_a_file_is_checked_and_kept(open_page: OpenPage) -> None:
    page = upload(to_files(open_page("submit", **NOBODY_URLS)), GOOD)

    assert page.warning[0].proto.title == "Can't be checked now"
    page.button(key="submit_check").click().run()
    assert not page.exception
    assert page.warning[0].proto.title == "Can't be checked now"


def test_a_file_outlives_leaving_the_page_until_it_is_put_away(many: AppTest, database: Database) -> None:
    upload(many, GOOD)
    many.switch_page("../pages/overview/page.py").run()
    many.switch_page("../pages/submit/page.py").run()
    assert not many.exception
    assert many.button(key="submit_many").label == "Submit 2 tasks"

    button(many, "Discard file")

    with pytest.raises(KeyError):
        many.button(key="submit_many")


def test_a_batch_is_followed_with_counts_and_failures(many: AppTest, database: Database) -> None:
    press(upload(many, GOOD))
    assert "0 of 2 ended" in [bar.text for bar in many.get("progress")] or "2 pending" in said(many)
    with database.transaction() as tx:
        commands.cancel(tx, tasks(database)[0].id, "test", "")

    refreshed(many)

    assert not many.exception
    table = many.dataframe[-1].value
    assert list(table["name"]) == ["One"]
    assert list(table["task"]) == [shortened_id(tasks(database)[0].id)]
    assert "1 cancelled" in said(many)


def test_rows_are_checked_as_the_api_checks_them(open_page: OpenPage, sign_in: SignIn, database: Database) -> None:
    known = {"name": "mail.send", "version": "1", "requires": [], "input_schema": {"required": ["to"]}}
    agent = {"id": "m:1", "boot_id": "1", "name": "m", "kind": "mail", "host": "there", "pid": 1, "types": ["*"]}
    with database.transaction() as tx:
        more = {"tags": [], "max_concurrency": 1, "state": "online", "known_types": [known]}
        recovery.register_agents(tx, [{**agent, **more}])
    sign_in("operator", queues=("default",))
    rows = b"""type,input,queue
mail.send,"{""to"": 1}",
mail.send,{},
diagnostic.noop,,other
code.run,,
"""

    page = upload(to_files(open_page("submit")), rows)

    problems = page.dataframe[0].value
    assert list(problems["row"]) == [3, 4, 5]
    assert list(problems["field"]) == ["input", "queue", "type"]
    assert "permitted" in problems["expected"].tolist()[1]
    page.toggle(key="submit_only_valid").set_value(True).run()
    press(page)
    assert [(task.type, task.input) for task in tasks(database)] == [("mail.send", {"to": 1})]
