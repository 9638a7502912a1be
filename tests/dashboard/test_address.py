"""What viewers choose is kept in the address, by values that mean the same in every language."""

from __future__ import annotations

from datetime import datetime

from streamlit.testing.v1 import AppTest

from tests.dashboard.seen import plain_texts


def script() -> None:
    import streamlit as st

    from taskyard.dashboard.components import address

    st.segmented_control(
        "Show", ["a", "b"], required=True, format_func=str.upper, **address.choice("show", ["a", "b"], "a")
    )
    st.multiselect("Kinds", ["x", "y"], accept_new_options=True, **address.choices("kinds"))
    st.text_input("Text", **address.text_field("text"))
    st.toggle("Flag", **address.flag("flag"))
    st.datetime_input("Since", **address.moment("since"))
    for name in ("show", "kinds", "text", "flag", "since"):
        st.text(repr(st.session_state[f"address_{name}"]))


def opened(**query: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=30)
    page.context = {"timezone": "Europe/Berlin"}
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def test_without_anything_in_it() -> None:
    assert plain_texts(opened()) == ["'a'", "[]", "''", "False", "None"]


def test_it_is_read() -> None:
    page = opened(show="b", kinds="x,z,x", text="<b>", flag="1", since="2026-07-01T10:00:00+00:00")

    assert plain_texts(page) == ["'b'", "['x', 'z']", "'<b>'", "True", "datetime.datetime(2026, 7, 1, 12, 0)"]


def test_what_makes_no_sense_is_the_default() -> None:
    page = opened(show="B", kinds=",,", flag="yes", since="yesterday")

    assert not page.exception
    assert plain_texts(page) == ["'a'", "[]", "''", "False", "None"]


def test_it_is_written_and_left_out_again() -> None:
    page = opened()
    page.text_input(key="address_text").set_value("a & b")
    page.multiselect(key="address_kinds").set_value(["y", "x"])
    page.toggle(key="address_flag").set_value(True)
    page.datetime_input(key="address_since").set_value(datetime(2026, 1, 2, 3, 45)).run()
    written = {"text": "a & b", "kinds": "y,x", "flag": "1", "since": "2026-01-02T03:45+01:00"}
    assert dict(page.query_params) == written

    page.text_input(key="address_text").set_value("")
    page.multiselect(key="address_kinds").set_value([])
    page.toggle(key="address_flag").set_value(False)
    page.datetime_input(key="address_since").set_value(None).run()
    assert dict(page.query_params) == {}


def test_another_address_is_followed() -> None:
    page = opened(text="first")
    page.query_params["text"] = "second"  # as the browser's Back does
    page.run()
    assert plain_texts(page)[2] == "'second'"

    del page.query_params["text"]
    page.run()
    assert plain_texts(page)[2] == "''"
