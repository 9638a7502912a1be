"""What a page says and shows."""

from __future__ import annotations

import pandas as pd
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import audit
from taskyard.core.postgres.store.audit import AuditEntry


def plain_texts(page: AppTest) -> list[str]:
    """What is shown by elements that know no Markdown."""
    return [str(element.value) for kind in ("text", "code") for element in page.get(kind)]


def rendered(page: AppTest) -> str:
    """What is shown as Markdown."""
    kinds = ("markdown", "caption", "warning", "error", "info", "success", "toast")
    return "\n".join(str(element.value) for kind in kinds for element in page.get(kind))


def texts(page: AppTest) -> str:
    """Everything that the page says."""
    return "\n".join([*plain_texts(page), rendered(page)])


def table(page: AppTest, column: str) -> pd.DataFrame:
    """The first table with a column."""
    return next(element.value for element in page.dataframe if column in element.value.columns)


def words(page: AppTest, column: str) -> list[str]:
    """What is read in a column of numbers of the first table that has it."""
    found = next(element for element in page.dataframe if column in element.value.columns)
    return list(convert_arrow_bytes_to_pandas_df(found.proto.arrow_data.styler.display_values)[column])


def audited(database: Database, event: str) -> list[AuditEntry]:
    """What the audit log has of a kind of event, the newest first."""
    with database.transaction() as tx:
        return list(audit.find_events(tx, EventFilter(events=(event,)), budget_seconds=5).events)


def output(page: AppTest) -> str:
    """Everything that the browser is sent: all elements with their helps, charts, and the cells of tables."""
    parts = []
    for element in page._tree:
        if element.type == "arrow_data_frame":
            parts.append(element.value.to_json(default_handler=str))
        parts.append(str(getattr(element, "proto", "")))
    return "\n".join(parts)
