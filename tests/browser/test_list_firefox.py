"""Back and Forward on the list of tasks, in Firefox."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.dashboards import Installation
from tests.browser.firefox import FIREFOX, Firefox
from tests.browser.test_list import fill
from tests.browser.ways_back import walk


@pytest.mark.slow
@pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox: on Debian, apt-get install firefox-esr")
def test_back_and_forward_give_exactly_what_was_there_in_firefox(installation: Installation, tmp_path: Path) -> None:
    fill(installation)
    tmp_path.chmod(0o755)
    with Firefox(tmp_path, 1440, 900) as firefox:
        walk(firefox, installation.url)
