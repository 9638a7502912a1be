"""No generated request makes the API answer what its document does not say: a short, seeded run."""

from __future__ import annotations

import pytest

from taskyard.core.config import Settings
from tests.api.hammer.scene import hammer_of
from tests.client.apis import running_api

EXAMPLES = 5  # for each operation and kind of data, so that each role has its turn
SEED = 20


@pytest.fixture
def _configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "redis_url", "namespace", "data_dir"):
        monkeypatch.setenv(f"TASKYARD_{name.upper()}", str(getattr(settings, name)))


@pytest.mark.usefixtures("_configured")
def test_answers_are_as_documented(settings: Settings) -> None:
    with running_api(settings) as api:
        found = hammer_of(settings, api.url).run(EXAMPLES, SEED)
    assert found.wrong == {}
    assert found.cases > 500
    assert found.statuses.keys() >= {200, 403, 404, 422}
