"""What the pages tell those whose role is narrowed to queues and types."""

from __future__ import annotations

from tests.dashboard.conftest import OpenPage, SignIn

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
