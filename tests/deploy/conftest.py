"""What tests of the chart share."""

from __future__ import annotations

import pytest

from tests.deploy.charts import fetched


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program."""
    return fetched(tmp_path_factory.mktemp("helm"))
