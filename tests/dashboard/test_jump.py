"""The box that leads to any page, task, queue, agent or type."""

from __future__ import annotations

from taskyard.dashboard.components.task_facts import shortened_id
from taskyard.dashboard.navigation import AGENTS, FAILURES, QUEUES, TASK, TASKS
from taskyard.dashboard.shell.jump import places_for
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn


def test_a_text_leads_to_what_has_that_name(open_page: OpenPage, loaded: dict[str, str], sign_in: SignIn) -> None:
    page = open_page("overview")
    page.button(key="help").click().run()
    assert not page.exception
    assert page.text_input(key="jump_text")
    assert page.button(key="go_failures")

    failed = loaded["failed"]
    for text in (failed, shortened_id(failed), failed.upper()):
        [place] = places_for(text)
        assert (place.view, place.parameters) == (TASK, {"id": failed})
        assert HOSTILE not in place.label
    assert {place.view for place in places_for("fail")} == {FAILURES}
    assert [place.view for place in places_for("6")] == [FAILURES]
    assert [(place.view, dict(place.parameters)) for place in places_for("build")] == [(AGENTS, {"agent": "builder"})]
    assert (QUEUES, {"queue": "default"}) in [(place.view, place.parameters) for place in places_for("default")]
    assert (TASKS, {"types": "diagnostic.echo"}) in [(place.view, place.parameters) for place in places_for("echo")]
    assert places_for("nothing of this kind") == ()
    assert places_for("x" * 500) == ()

    sign_in("viewer", queues=("elsewhere",))
    assert places_for(failed) == ()
    assert places_for("default") == ()


def test_the_keys_are_listed(open_page: OpenPage) -> None:
    page = open_page("overview")
    page.button(key="keys").click().run()
    assert not page.exception
