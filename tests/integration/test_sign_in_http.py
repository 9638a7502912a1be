"""The dashboard's gate and its sign-in form by HTTP, against a real server: who gets in, and what others get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from taskyard.core.access.identity import new_secret
from taskyard.core.access.passwords import hash_password
from taskyard.core.access.permissions import Role
from taskyard.core.access.throttle import ACCOUNT
from taskyard.core.config import Settings
from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import principals, sign_in_attempts, sign_ins
from taskyard.core.postgres.store.audit import AuditEntry, find_events
from tests.browser.dashboards import Dashboard
from tests.servers import free_port, wait_until

PASSWORD = "correct horse battery"
ADMIN = "local:root"
ATTACKED = "UPDATE sign_in_attempts SET wait_until = now() + interval '50 s' WHERE subject LIKE 'account%%'"
WAITED = "UPDATE sign_in_attempts SET wait_until = now() WHERE subject LIKE 'account%%'"
PAGES = ("/", "/tasks", "/submit?type=code.run", "/overview", "/no-such-page")
PARTS = (
    "/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/export/audit.csv", "/export/audit.jsonl",
    "/export/log.txt?id=x", "/media/a.png", "/static/js/a.js", "/_stcore/upload_file/a/b",
    "/_stcore/agent/openapi.json",
    "/component/a/index.html", "/language?to=en", "/zone?to=utc", "/tasks/_stcore/health",
)  # fmt: skip


def make(database: Database, name: str, *, role: Role = Role.OPERATOR, password: str | None = PASSWORD) -> None:
    with database.transaction() as tx:
        principals.create(tx, name, role, ADMIN)
        if password is not None:
            principals.set_password(tx, name, hash_password(password), ADMIN)


def events(database: Database, *names: str) -> list[AuditEntry]:
    with database.transaction() as tx:
        return [one for one in find_events(tx, EventFilter(only_operators=True)).events if one.event in names]


@pytest.fixture
def dashboard(settings: Settings, tmp_path: Path, database: Database) -> Iterator[Dashboard]:
    make(database, "ann")
    with Dashboard(settings, tmp_path / "log", auth="password") as dashboard:
        yield dashboard


@pytest.fixture
def browser(dashboard: Dashboard) -> Iterator[httpx.Client]:
    with browser_of(dashboard) as client:
        yield client


def browser_of(dashboard: Dashboard, **headers: str) -> httpx.Client:
    return httpx.Client(base_url=dashboard.url, headers=headers, timeout=30, trust_env=False)


def sign_in(browser: httpx.Client, name: str, password: str, **fields: str) -> httpx.Response:
    origin = str(browser.base_url).rstrip("/")
    given = {"name": name, "password": password, **fields}
    return browser.post("/sign-in", data=given, headers={"origin": origin})


def open_socket(dashboard: Dashboard, cookie: str = "", **headers: str) -> int:
    """Opens the pages' websocket; returns the status of the answer."""
    address = f"{dashboard.url.replace('http', 'ws')}/_stcore/stream"
    sent = {"Cookie": cookie, **headers} if cookie else headers
    try:
        with websockets.sync.client.connect(
            address, origin=dashboard.url, additional_headers=sent, subprotocols=["streamlit"], proxy=None
        ):  # type: ignore[arg-type]
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def cookie_of(browser: httpx.Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)


def test_without_a_session_there_is_only_the_way_in(dashboard: Dashboard, browser: httpx.Client) -> None:
    for path in PAGES:
        answer = browser.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in?to=/"), path
    assert browser.get("/tasks?state=failed&queue=a").headers["location"] == (
        "/sign-in?to=/tasks%3Fstate%3Dfailed%26queue%3Da"
    )
    for path in PARTS:
        assert browser.get(path).status_code == 401, path
    for name, value in (("sec-fetch-dest", "script"), ("sec-fetch-dest", "empty")):
        assert browser.get("/tasks", headers={name: value, "sec-fetch-site": "same-origin"}).status_code == 401
    assert browser.put("/_stcore/upload_file/a/b", headers={"origin": dashboard.url}).status_code == 401
    assert browser.post("/tasks", headers={"origin": dashboard.url}).status_code == 401
    assert open_socket(dashboard) == 403
    assert open_socket(dashboard, f"taskyard_{dashboard.port}={new_secret()}") == 403
    for path in ("/healthz", "/metrics", "/sign-in"):
        assert browser.get(path).status_code == 200, path
    assert browser.get("/enter?key=x").status_code == 403


def test_the_form_signs_in_and_goes_on(dashboard: Dashboard, browser: httpx.Client, database: Database) -> None:
    page = browser.get("/sign-in?to=/tasks%3Fstate%3Dfailed")
    assert 'value="/tasks?state=failed"' in page.text
    assert "script" not in page.text.lower()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"

    answer = sign_in(browser, "ann", PASSWORD, to="/tasks?state=failed")

    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks?state=failed")
    [cookie] = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"taskyard_{dashboard.port}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert browser.get("/tasks").status_code == 200
    assert browser.get("/_stcore/health").status_code == 200
    assert open_socket(dashboard, cookie_of(browser)) == 101
    assert browser.get("/sign-in?to=/agents").headers["location"] == "/agents"
    [event] = events(database, "signed_in")
    assert event.actor == "person:ann"
    assert event.detail == {"via": "password", "from": "127.0.0.1"}
    again = sign_in(browser, "ann", PASSWORD)
    assert again.headers["set-cookie"].partition(";")[0] != cookie.partition(";")[0]


def test_a_sign_in_leads_to_no_other_site(dashboard: Dashboard) -> None:
    for to in ("//evil.test", "https://evil.test/", "/\\evil.test", "/sign-in", "/\r\nx: y", ""):
        with browser_of(dashboard) as browser:
            page = browser.get("/sign-in", params={"to": to})
            assert "evil.test" not in page.text.replace("lang=", "")[: page.text.index("<footer>")], to
            assert sign_in(browser, "ann", PASSWORD, to=to).headers["location"] == "/", to


def test_who_is_refused_learns_nothing(browser: httpx.Client, database: Database) -> None:
    make(database, "bob")
    make(database, "eve", password=None)
    with database.transaction() as tx:
        principals.disable(tx, "bob", ADMIN)

    answers = [
        sign_in(browser, name, password)
        for name, password in (
            ("ann", "wrong password"), ("bob", PASSWORD), ("eve", PASSWORD), ("nobody", PASSWORD), ("a b\x00", "x"),
            ("ann", "x" * 5_000), ("", ""),
        )
    ]  # fmt: skip

    assert {answer.status_code for answer in answers} == {403}
    assert not any("set-cookie" in answer.headers for answer in answers)
    texts = {re.sub(r'value="[^"]*"', "", answer.text).replace(" autofocus", "") for answer in answers}
    assert len(texts) == 1
    assert "do not belong together" in texts.pop()
    refused = events(database, "sign_in_refused")
    assert {(one.detail or {}).get("name") for one in refused} == {"ann", "bob", "eve", ""}
    assert all(one.actor == "dashboard@127.0.0.1" for one in refused)


def test_what_was_typed_is_escaped(browser: httpx.Client) -> None:
    answer = sign_in(browser, '"><script>alert(1)</script>', "x", to='/tasks"><script>', page="<script>")

    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_another_sites_form_signs_nobody_in(browser: httpx.Client) -> None:
    given = {"name": "ann", "password": PASSWORD}

    assert browser.post("/sign-in", data=given, headers={"origin": "http://evil.test"}).status_code == 403
    assert browser.post("/sign-in", data=given).status_code == 403
    assert browser.post("/sign-in", content=b"x" * 100_000, headers={"origin": str(browser.base_url)}).status_code in (
        400,
        403,
    )


@pytest.mark.slow
def test_guessing_waits_longer_and_longer_and_survives_a_restart(
    settings: Settings, tmp_path: Path, database: Database
) -> None:
    make(database, "ann")
    make(database, "bob")
    statuses = []
    with Dashboard(settings, tmp_path / "first", auth="password") as dashboard, browser_of(dashboard) as browser:
        while 429 not in statuses and len(statuses) < 10:
            statuses.append(sign_in(browser, "ann", "wrong password").status_code)
        assert statuses[:5] == [403] * 5
        with database.transaction() as tx:  # as if it were attacked further
            tx.rows(
                "UPDATE sign_in_attempts SET wait_until = now() + interval '50 s' WHERE subject LIKE 'account%%'", {}
            )
    with Dashboard(settings, tmp_path / "second", auth="password") as dashboard, browser_of(dashboard) as browser:
        answer = sign_in(browser, "ann", PASSWORD)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 50
        assert f"Try again in {answer.headers['retry-after']} s" in answer.text
        assert sign_in(browser, "bob", PASSWORD).status_code == 303  # from the same address
        with database.transaction() as tx:
            tx.rows(WAITED, {})
        assert sign_in(browser, "ann", PASSWORD).status_code == 303
        with database.transaction() as tx:
            left = tx.rows("SELECT subject, failures FROM sign_in_attempts WHERE subject LIKE 'account%%'", {})
    assert [failures for _subject, failures in left] == [0, 0]
    assert not any("ann" in subject for subject, _failures in left)


def test_a_session_that_was_ended_is_over_within_seconds(
    dashboard: Dashboard, browser: httpx.Client, database: Database
) -> None:
    sign_in(browser, "ann", PASSWORD)
    with browser_of(dashboard) as other:
        sign_in(other, "ann", PASSWORD)
        assert other.get("/tasks").status_code == 200
        origin = {"origin": dashboard.url}
        assert "Sign out everywhere" in browser.get("/sign-out").text
        answer = browser.post("/sign-out", data={"everywhere": "yes"}, headers=origin)
        assert answer.status_code == 200
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert browser.get("/tasks").status_code == 303
        wait_until(lambda: other.get("/tasks").status_code == 303, 10)
        assert open_socket(dashboard, cookie_of(other)) == 403
    [event] = events(database, "signed_out_everywhere")
    assert (event.actor, event.detail) == ("person:ann", {"via": "password", "from": "127.0.0.1", "sessions": 2})


def test_a_page_whose_session_has_ended_by_itself_still_loads_the_client(
    dashboard: Dashboard, browser: httpx.Client, database: Database
) -> None:
    sign_in(browser, "ann", PASSWORD)
    [script] = re.findall(r'src="\.?(/static/js/[^"]+)"', browser.get("/").text)[:1]
    assert browser.get(script).status_code == 200
    with database.transaction() as tx:
        tx.rows("UPDATE sessions SET expires_at = now() - interval '1 s'", {})
    wait_until(lambda: browser.get("/tasks").status_code == 303, 10)

    assert browser.get(script).status_code == 200
    assert browser.get("/export/audit.csv").status_code == 401
    with browser_of(dashboard) as other:
        assert other.get(script).status_code == 401
    with database.transaction() as tx:
        tx.rows("DELETE FROM sessions", {})
    assert browser.get(script).status_code == 401


def test_who_signs_out_stays_in_elsewhere(dashboard: Dashboard, browser: httpx.Client, database: Database) -> None:
    sign_in(browser, "ann", PASSWORD)
    with browser_of(dashboard) as other:
        sign_in(other, "ann", PASSWORD)
        browser.post("/sign-out", headers={"origin": dashboard.url})
        assert browser.get("/tasks").status_code == 303
        assert other.get("/tasks").status_code == 200
    [event] = events(database, "signed_out")
    assert event.detail == {"via": "password", "from": "127.0.0.1"}


def test_the_link_of_the_command_line_still_lets_the_local_admin_in(dashboard: Dashboard) -> None:
    with browser_of(dashboard) as browser:
        assert browser.get(dashboard.entry()).status_code == 303
        assert browser.get("/tasks").status_code == 200


def test_a_form_speaks_the_browsers_language(browser: httpx.Client) -> None:
    assert '<html lang="en">' in browser.get("/sign-in").text
    assert '<html lang="zh">' in browser.get("/sign-in", headers={"accept-language": "zh-CN,en;q=0.5"}).text
    assert '<html lang="zh">' in browser.get("/sign-in?lang=zh&to=/tasks").text
    assert "lang=en" in browser.get("/sign-in?lang=zh&to=/tasks").text


# the other modes


@pytest.mark.slow
def test_everybody_reads_and_nobody_signs_in(settings: Settings, tmp_path: Path) -> None:
    with Dashboard(settings, tmp_path / "log", auth="none") as dashboard, browser_of(dashboard) as browser:
        assert browser.get("/tasks").status_code == 200
        assert browser.get("/sign-in").headers["location"] == "/"
        assert open_socket(dashboard) == 101


def test_a_provider_that_is_away_is_a_calm_page(settings: Settings, tmp_path: Path) -> None:
    given = {"oidc_issuer": f"http://localhost:{free_port()}", "oidc_client_id": "yard", "oidc_client_secret": "s3cret"}
    log = tmp_path / "log"
    with Dashboard(settings, log, auth="oidc", **given) as dashboard, browser_of(dashboard) as browser:
        page = browser.get("/sign-in?to=/tasks")
        assert 'href="/sign-in/start?to=%2Ftasks"' in page.text
        assert "<form" not in page.text
        answer = browser.get("/sign-in/start?to=/tasks")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert "does not answer now" in answer.text
        assert 'href="/sign-in/start?to=%2Ftasks"' in answer.text
        assert sign_in(browser, "ann", PASSWORD).status_code == 200  # there is no form to send
        assert browser.get("/tasks").status_code == 303
        assert browser.get("/sign-in/callback?state=a&code=b").status_code == 400
    assert "s3cret" not in log.read_text()


def test_a_proxy_is_believed_where_it_is_trusted(settings: Settings, tmp_path: Path, database: Database) -> None:
    make(database, "ann", password=None)
    make(database, "robot", password=None)
    given: dict[str, Any] = {"auth": "proxy", "auth_header": "X-User", "trusted_proxies": "127.0.0.1"}
    with Dashboard(settings, tmp_path / "log", **given) as dashboard, browser_of(dashboard) as browser:
        ann, forwarded = {"x-user": "ann"}, {"x-user": "ann", "x-forwarded-for": "1.1.1.1, 198.51.100.4"}
        assert browser.get("/tasks").status_code == 303
        assert browser.get("/tasks", headers=forwarded).status_code == 200
        assert browser.get("/tasks", headers=[("x-user", "ann"), ("x-user", "bob")]).status_code == 303
        assert open_socket(dashboard) == 403
        assert open_socket(dashboard, **ann) == 101
        page = browser.get("/sign-in", headers={"x-user": "eve@example.com"})
        assert page.status_code == 403
        assert "eve@example.com" in page.text
        assert "taskyard access create eve@example.com" in page.text
        assert "names nobody" in browser.get("/sign-in").text
        with database.transaction() as tx:
            principals.disable(tx, "ann", ADMIN)
        wait_until(lambda: browser.get("/tasks", headers=ann).status_code == 303, 10)
    arrived = events(database, "signed_in")
    assert ("person:ann", {"via": "proxy", "from": "198.51.100.4"}) in [(one.actor, one.detail) for one in arrived]


@pytest.mark.slow
def test_a_header_from_anybody_else_is_dropped(settings: Settings, tmp_path: Path, database: Database) -> None:
    make(database, "ann", password=None)
    given: dict[str, Any] = {"auth": "proxy", "auth_header": "X-User", "trusted_proxies": "192.0.2.0/24"}
    with Dashboard(settings, tmp_path / "log", **given) as dashboard, browser_of(dashboard) as browser:
        for sent in ({"x-user": "ann"}, {"x-user": "ann", "x-forwarded-for": "192.0.2.1"}, {"X_User": "ann"}):
            assert browser.get("/tasks", headers=sent).status_code == 303
            assert open_socket(dashboard, **sent) == 403


def test_a_newcomer_gets_the_role_of_the_settings(settings: Settings, tmp_path: Path, database: Database) -> None:
    given = {"auth": "proxy", "auth_header": "X-User", "trusted_proxies": "127.0.0.1", "auth_new_role": "submitter"}
    with Dashboard(settings, tmp_path / "log", **given) as dashboard, browser_of(dashboard) as browser:
        assert browser.get("/tasks", headers={"x-user": "new@example.com"}).status_code == 200
        assert browser.get("/tasks", headers={"x-user": "no name"}).status_code == 303
    with database.transaction() as tx:
        assert principals.get(tx, "new@example.com").role == "submitter"
    [event] = events(database, "principal_created")
    assert event.actor == "proxy:new@example.com"


def test_a_session_that_ended_by_itself_is_told_from_one_that_somebody_ended(database: Database) -> None:
    make(database, "ann")
    with database.transaction() as tx:
        ann = principals.get(tx, "ann")
        first, second, third = (str(sign_ins.begin_session(tx, ann, "password", "::1")) for _ in range(3))
        tx.rows("UPDATE sessions SET expires_at = now() - interval '1 s'", {})
        fourth = str(sign_ins.begin_session(tx, ann, "password", "::1"))

        assert sign_ins.find_session(tx, first) is None
        assert sign_ins.find_ended_session(tx, first) == "person:ann"
        assert sign_ins.find_ended_session(tx, fourth) is None  # it is current
        assert sign_ins.find_ended_session(tx, new_secret()) is None
        assert sign_ins.find_ended_session(tx, "x") is None
        sign_ins.sign_out(tx, second, "::1")
        assert sign_ins.find_ended_session(tx, second) is None
        assert sign_ins.sign_out_everywhere(tx, fourth, "::1") == 3  # those that had ended go on no more, either
        assert sign_ins.find_ended_session(tx, third) is None
        assert sign_ins.sign_out_everywhere(tx, fourth, "::1") == 0


def test_attempts_at_once_are_no_more_than_one_after_another(database: Database) -> None:
    def attempt(_number: int) -> float:
        with database.transaction() as tx:
            return sign_in_attempts.begin(tx, "ann", "192.0.2.7")

    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(attempt, range(30)))

    assert waits.count(0.0) == ACCOUNT.free
    assert all(0 < wait <= 1 for wait in waits if wait)
    with database.transaction() as tx:
        assert sign_in_attempts.begin(tx, "bob", "192.0.2.7") == 0.0  # the address has failures left
        sign_in_attempts.succeed(tx, "ann", "192.0.2.7")
        assert sign_in_attempts.begin(tx, "ann", "192.0.2.7") == 0.0
