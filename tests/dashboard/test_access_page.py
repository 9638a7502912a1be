"""The page Access: people, services, agents, tokens and sessions."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from taskyard.core.access.identity import Actor
from taskyard.core.access.passwords import verify_password
from taskyard.core.access.principals import Principal
from taskyard.core.errors import NotPermitted
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, sign_ins, tokens
from taskyard.dashboard.data import viewer
from taskyard.dashboard.pages.access import data
from tests.dashboard.conftest import HOSTILE, OpenPage, SignIn, refreshed
from tests.dashboard.dialogs import answered
from tests.dashboard.seen import audited, plain_texts, rendered, table

PASSWORD = "correct horse battery"


@pytest.fixture
def admin(sign_in: SignIn) -> str:
    return sign_in("admin")


@pytest.fixture
def ann(admin: str, database: Database) -> Principal:
    with database.transaction() as tx:
        return principals.create(tx, "ann", "operator", "test")


def known(database: Database, name: str) -> Principal:
    with database.transaction() as tx:
        return principals.get(tx, name)


def chosen(page: AppTest, name: str = "ann") -> AppTest:
    return page.selectbox(key="access_chosen").set_value(name).run()


def asking(page: AppTest, what: str, name: str = "ann"):
    """Does again what opens a dialog, as each click in it reruns the whole script here."""

    def ask() -> None:
        page.session_state["access_asked"] = (what, name)

    return ask


@pytest.mark.parametrize("role", ["viewer", "submitter", "operator"])
def test_others_are_told_what_is_missing(open_page: OpenPage, sign_in: SignIn, role: str) -> None:
    sign_in(role)

    page = open_page("access")

    assert not page.exception
    assert "access.manage" in page.info[0].value.replace("\\", "")
    assert not page.dataframe
    with pytest.raises(NotPermitted):
        data.principals()
    with pytest.raises(NotPermitted):
        data.create("eve", "person", "admin", ["*"], ["*"])


def test_a_browser_without_a_link_is_told_which_to_open(open_page: OpenPage) -> None:
    page = open_page("access")

    assert "taskyard enter" in page.info[0].value
    assert not page.dataframe


def test_people_are_listed_with_their_roles(open_page: OpenPage, ann: Principal, database: Database) -> None:
    with database.transaction() as tx:
        principals.create(tx, "ci", "submitter", HOSTILE, kind="service", queues=("nightly-*",))

    page = open_page("access")

    assert not page.exception
    shown = table(page, "queues").set_index("name")
    assert shown.loc["ci", "queues"] == "nightly-*"
    assert shown.loc["ci", "kind"] == "service"
    assert shown.loc["ann", "role"] == "operator"


def test_somebody_is_created(open_page: OpenPage, admin: str, database: Database) -> None:
    page = open_page("access")
    ask = asking(page, "new", "")
    ask()
    page.run()
    page.text_input(key="access_new_name").set_value("ci")
    page.selectbox(key="access_new_kind").set_value("service")
    page.selectbox(key="access_role_of_new").set_value("submitter")
    page.text_input(key="access_queues_of_new").set_value("nightly-*, reports")

    ask()
    page.button(key="ask_send_access_new").click().run()

    assert not page.exception
    made = known(database, "ci")
    assert (made.kind, made.role, made.queues, made.types) == ("service", "submitter", ("nightly-*", "reports"), ("*",))
    assert made.created_by.startswith(f"person:{admin}@")


def test_what_makes_no_sense_is_refused_in_the_dialog(open_page: OpenPage, admin: str) -> None:
    page = open_page("access")
    ask = asking(page, "new", "")
    ask()
    page.run()
    page.text_input(key="access_new_name").set_value("no spaces here")

    ask()
    page.button(key="ask_send_access_new").click().run()

    assert "name" in page.error[0].value
    assert not page.exception


def test_a_role_is_changed_and_narrowed(open_page: OpenPage, ann: Principal, database: Database) -> None:
    page = chosen(open_page("access"))
    ask = asking(page, "role")
    ask()
    page.run()
    page.selectbox(key="access_role_of_ann").set_value("viewer")
    page.text_input(key="access_types_of_ann").set_value("analysis.*")

    ask()
    page.button(key="ask_send_access_role_ann").click().run()

    assert (known(database, "ann").role, known(database, "ann").types) == ("viewer", ("analysis.*",))


def test_somebody_is_disabled_and_enabled(open_page: OpenPage, ann: Principal, database: Database) -> None:
    page = chosen(open_page("access"))

    answered(page, "access_disable_ann", asking(page, "disable"))
    assert known(database, "ann").disabled_at is not None
    assert [button.key for button in refreshed(page).button if str(button.key).startswith("access_")] == [
        "access_new",
        "access_role",
        "access_enable",
    ]

    answered(page, "access_enable_ann", asking(page, "enable"))
    assert known(database, "ann").disabled_at is None


@pytest.mark.parametrize("what", ["disable", "role"])
def test_the_last_admin_stays(open_page: OpenPage, admin: str, database: Database, what: str) -> None:
    page = chosen(open_page("access"), admin)
    ask = asking(page, what, admin)
    ask()
    page.run()
    if what == "role":
        page.selectbox(key=f"access_role_of_{admin}").set_value("viewer")

    ask()
    page.button(key=f"ask_send_access_{what}_{admin}").click().run()

    assert "last admin" in page.error[0].value
    assert known(database, admin).role == "admin"
    assert known(database, admin).disabled_at is None


def test_a_password_is_set(open_page: OpenPage, ann: Principal, database: Database) -> None:
    page = chosen(open_page("access"))
    ask = asking(page, "password")
    for second, fits in (("another one", False), (PASSWORD, True)):
        ask()
        page.run()
        page.text_input(key="access_password_1").set_value(PASSWORD)
        page.text_input(key="access_password_2").set_value(second)
        ask()
        page.button(key="ask_send_access_password_ann").click().run()
        assert bool(page.error) is not fits

    with database.transaction() as tx:
        assert verify_password(principals.password_of(tx, "ann"), PASSWORD)


def test_a_token_is_shown_once(open_page: OpenPage, ann: Principal, database: Database) -> None:
    page = chosen(open_page("access"))
    ask = asking(page, "token")
    ask()
    page.run()
    page.text_input(key="access_note").set_value("nightly build")

    ask()
    page.button(key="ask_send_access_token_ann").click().run()

    [text] = [text for text in plain_texts(page) if text.startswith("ty_person_")]
    with database.transaction() as tx:
        assert tokens.find_by_token(tx, text) == Actor("token:ann", "token", ann.acting("token").permissions)
    assert not any("ty_person_" in text for text in plain_texts(page.run()))
    assert "access_made" not in page.session_state


def test_a_token_is_revoked(open_page: OpenPage, ann: Principal, database: Database) -> None:
    with database.transaction() as tx:
        text, made = tokens.make(tx, "ann", "test", note=HOSTILE[:60])
    page = open_page("access", query={"part": "tokens"})
    assert table(page, "note")["state"].tolist() == ["valid"]
    page.selectbox(key="access_token_chosen").set_value(made.id).run()

    def ask() -> None:
        page.session_state["access_credential"] = ("token", made.id, "ann")

    answered(page, f"access_end_{made.id}", ask)

    with database.transaction() as tx:
        assert tokens.find_by_token(tx, text) is None
    assert table(refreshed(page), "note")["state"].tolist() == ["revoked"]


def test_sessions_are_listed_and_ended(open_page: OpenPage, ann: Principal, admin: str, database: Database) -> None:
    with database.transaction() as tx:
        session = sign_ins.begin_session(tx, ann, "password", "127.0.0.1")
    page = open_page("access", query={"part": "sessions"})
    shown = table(page, "via").set_index("who")
    assert set(shown.index) == {"person:ann", f"person:{admin}"}
    id_ = shown.loc["person:ann", "id"]

    def ask() -> None:
        page.session_state["access_credential"] = ("session", id_, "ann")

    answered(page, f"access_end_{id_}", ask)

    with database.transaction() as tx:
        assert sign_ins.find_session(tx, session) is None
        assert sign_ins.find_session(tx, viewer._session()) is not None


def test_all_sessions_of_one_are_ended(open_page: OpenPage, ann: Principal, database: Database) -> None:
    with database.transaction() as tx:
        sessions = [sign_ins.begin_session(tx, ann, "password", "127.0.0.1") for _number in range(3)]
    page = chosen(open_page("access"))

    answered(page, "access_sessions_ann", asking(page, "sessions"))

    with database.transaction() as tx:
        assert [sign_ins.find_session(tx, session) for session in sessions] == [None] * 3
        assert sign_ins.find_session(tx, viewer._session()) is not None
    assert len(audited(database, "session_ended")) == 3


def test_without_anybody_it_says_what_to_do(open_page: OpenPage, signed_in: str) -> None:
    assert "Nobody is known by name yet" in rendered(open_page("access"))
    assert "No tokens." in rendered(open_page("access", query={"part": "tokens"}))


def test_the_navigation_lists_what_the_viewer_may_open(sign_in: SignIn, open_page: OpenPage) -> None:
    from taskyard.dashboard.navigation import VIEWS_BY_NAME

    open_page("overview")
    listed = {}
    for role in ("viewer", "submitter", "operator", "admin"):
        sign_in(role)
        who = viewer.viewer()
        listed[role] = {name for name, view in VIEWS_BY_NAME.items() if view.lack_of(who) is None}

    assert listed["admin"] == set(VIEWS_BY_NAME)
    assert listed["operator"] == set(VIEWS_BY_NAME) - {"access"}
    assert listed["submitter"] == listed["operator"] - {"audit", "webhooks"}
    assert listed["viewer"] == listed["submitter"] - {"submit"}
