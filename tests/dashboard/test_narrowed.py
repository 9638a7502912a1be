"""What the pages tell those whose role is narrowed to queues and types."""

from __future__ import annotations

import pytest

from tests.dashboard.conftest import OpenPage, SignIn
from tests.dashboard.seen import rendered

TYPE = "diagnostic.echo"


def test_the_form_presets_and_offers_only_own_queues(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("submitter", queues=("alpha", "beta"))

    page = open_page("submit", query={"type": TYPE})

    queue = page.selectbox(key="submit_option_queue")
    assert (queue.value, queue.options) == ("alpha", ["alpha", "beta"])


def test_the_form_presets_the_usual_queue_where_the_role_covers_it(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("submitter", queues=("alpha", "def*"))

    queue = open_page("submit", query={"type": TYPE}).selectbox(key="submit_option_queue")

    assert (queue.value, queue.options) == ("default", ["alpha", "default"])


@pytest.mark.parametrize("view", ["tasks", "overview"])
def test_without_tasks_of_their_own_they_get_no_first_steps(open_page: OpenPage, sign_in: SignIn, view: str) -> None:
    sign_in("operator", queues=("alpha", "beta"))

    shown = rendered(open_page(view))

    assert "no tasks in what your role shows (queues alpha, beta)" in shown
    assert "from Python" not in shown


def test_an_empty_list_says_of_what_it_is_the_list(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("operator", types=(TYPE,))
    assert "Your role shows only types diagnostic" in rendered(open_page("failures"))

    sign_in("operator")
    assert "Your role shows only" not in rendered(open_page("failures"))


def test_the_sidebar_names_the_queues_and_types(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("submitter", queues=("alpha",), types=("diagnostic.*",))

    captions = [caption.value for caption in open_page("tasks").sidebar.caption]

    assert "Role: submitter" in captions
    assert any("queues alpha · types diagnostic" in caption for caption in captions)


def test_no_half_known_slots_are_shown(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("operator", queues=("alpha",))
    assert "Slots in use" not in [metric.label for metric in open_page("overview").metric]

    sign_in("operator")
    assert "Slots in use" in [metric.label for metric in open_page("overview").metric]


def test_a_refusal_is_said_once_and_to_the_viewer(open_page: OpenPage, sign_in: SignIn) -> None:
    name = sign_in("viewer")

    refusal = next(info.value for info in open_page("submit").info)

    assert refusal == "You may not submit tasks. An admin can give the permission `task.submit` with a role."
    assert name not in refusal
    assert "see webhooks" in rendered(open_page("webhooks"))


def test_the_log_is_offered_to_those_who_may_read_it(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("viewer")
    assert "Log" not in open_page("system").segmented_control[0].options

    sign_in("operator")
    assert "Log" in open_page("system").segmented_control[0].options
