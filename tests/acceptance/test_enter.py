"""The link that `make run` prints, and the command that prints another."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest

from tests.acceptance.main import Main
from tests.browser.dashboards import free_port
from tests.servers import wait_until


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: object) -> None:
        return None


def opened(link: str) -> tuple[int, str]:
    """(status, cookie) of a link."""
    try:
        with urllib.request.build_opener(_Stay).open(link, timeout=10) as answer:
            return answer.status, answer.headers.get("set-cookie", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("set-cookie", "")


@pytest.mark.slow
def test_run_prints_a_link_and_the_command_another(main: Main) -> None:
    port = free_port()
    ports = {"TASKYARD_DASHBOARD_PORT": str(port), "TASKYARD_API_PORT": str(free_port()), "TASKYARD_METRICS_PORT": "0"}
    main.environment |= ports
    main.start("--dashboard")
    wait_until(lambda: b"Taskyard is up" in main.log.read_bytes(), 60, "it says where it is")
    written = main.log.read_text()
    [link] = re.findall(
        r"http://localhost:\d+/enter\?key=[\w-]{43}", written
    )  # to the terminal, and in no line of the log

    assert f"Taskyard is up: http://localhost:{port}" in written
    status, cookie = opened(link)
    assert status == 303
    assert re.match(rf"taskyard_{port}=[\w-]{{43}}; HttpOnly; .*SameSite=strict", cookie)
    assert opened(link)[0] == 403

    answer = main.command("enter")
    assert answer.returncode == 0
    assert opened(answer.stdout.strip())[0] == 303
    assert main.log.read_text().count("key=") == 1
