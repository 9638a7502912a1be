"""Draws the storage in PostgreSQL, on disk and in Redis, and its retention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from taskyard.core.config import ENV_PREFIX
from taskyard.core.humanize import KIBIBYTE, MEBIBYTE, byte_size, number
from taskyard.core.i18n import N_
from taskyard.core.postgres.store.system import Index, Relation
from taskyard.core.redis.usage import RedisMemory
from taskyard.core.views.storage import Kept, Storage
from taskyard.dashboard.components.tables import show_table, value_column
from taskyard.dashboard.components.times import time_column
from taskyard.dashboard.i18n import _, ngettext

FIGURE_WIDTH_PX = 170
TABLE_WIDTH_PX = 480
SIZE_FORMAT = "%,.2f MiB"  # numbers, so that the viewer can sort by them
KINDS = {
    "agent": N_("Heartbeats of agents"),
    "agents": N_("Agents that send heartbeats"),
    "canary": N_("Whether heartbeats can be trusted"),
    "cache": N_("Snapshots that viewers share"),
    "dead": N_("Dead letters"),
    "due": N_("Scheduled tasks"),
    "epoch": N_("The leader's term"),
    "generation": N_("Generation mark (lost when Redis is wiped)"),
    "inbox": N_("Orders to agents"),
    "lanes": N_("Lanes with tasks"),
    "log": N_("The worker's recent log"),
    "messages": N_("Messages between agents"),
    "ready": N_("Tasks that are ready, by lane"),
    "results": N_("Reports to the leader"),
    "session": N_("Sessions of viewers"),
    "wake": N_("Wake-ups of the leader"),
}


def show_storage(found: Storage) -> None:
    """Shows figures, tables, indexes, the audit log's days, keys in Redis."""
    with st.grid(4, min_column_width=FIGURE_WIDTH_PX):
        for label, value in (
            (_("Database on disk"), byte_size(found.database_bytes)),
            (_("Of that, indexes"), byte_size(sum(table.index_bytes for table in found.tables))),
            (_("Rows, estimated"), number(sum(table.rows for table in found.tables))),
            (_("Redis keys"), number(sum(kind.keys for kind in found.redis.kinds))),
        ):
            st.metric(label, value, border=True, height="stretch")
    with st.grid(2, min_column_width=TABLE_WIDTH_PX):
        with st.container():
            st.subheader(_("Tables"))
            _show_relations(found.tables, "tables", _("Database table"))
        with st.container():
            st.subheader(_("Indexes"))
            _show_indexes(found.indexes)
        with st.container():
            st.subheader(_("Audit log by day"))
            _show_relations(found.partitions, "partitions", _("Partition"))
        with st.container():
            st.subheader(_("Redis"))
            _show_redis(found.redis)
    st.subheader(_("Retention"))
    _show_kept(found.kept)


def _show_relations(relations: Sequence[Relation], key: str, label: str) -> None:
    rows = [
        {
            "name": relation.name,
            "size": relation.bytes / MEBIBYTE,
            "rows": relation.rows,
            "dead": relation.dead_rows,
            "indexes": relation.index_bytes / MEBIBYTE,
            "vacuumed": relation.vacuumed_at,
        }
        for relation in relations
    ]
    show_table(
        pd.DataFrame(rows, columns=["name", "size", "rows", "dead", "indexes", "vacuumed"]),
        alt=_("{what} with sizes and estimated rows").format(what=label),
        columns={
            "name": st.column_config.TextColumn(label, pinned=True),
            "size": st.column_config.NumberColumn(_("Size"), format=SIZE_FORMAT, help=_("With its indexes")),
            "rows": st.column_config.NumberColumn(_("Rows"), format="localized", help=_("The server's estimate")),
            "dead": st.column_config.NumberColumn(
                _("Dead rows"), format="localized", help=_("Dead rows that the next vacuum removes")
            ),
            "indexes": st.column_config.NumberColumn(_("Indexes"), format=SIZE_FORMAT),
            "vacuumed": time_column(_("Last vacuum")),
        },
        key=key,
    )


def _show_indexes(indexes: Sequence[Index]) -> None:
    rows = [
        {"name": index.name, "table": index.table, "size": index.bytes / MEBIBYTE, "scans": index.scans}
        for index in indexes
    ]
    show_table(
        pd.DataFrame(rows, columns=["name", "size", "scans", "table"]),
        alt=_("Indexes with sizes and uses"),
        columns={
            "name": st.column_config.TextColumn(_("Index"), pinned=True),
            "size": st.column_config.NumberColumn(_("Size"), format=SIZE_FORMAT),
            "scans": st.column_config.NumberColumn(
                _("Uses"), format="localized", help=_("Since the server's statistics were reset")
            ),
            "table": st.column_config.TextColumn(_("Database table")),
        },
        key="indexes",
    )


def _show_redis(usage: RedisMemory) -> None:
    rows = [
        {
            "name": kind.name,
            "what": _(KINDS[kind.name]) if kind.name in KINDS else "",
            "keys": kind.keys,
            "entries": kind.entries,
            "size": kind.bytes / KIBIBYTE,
        }
        for kind in sorted(usage.kinds, key=lambda kind: kind.bytes, reverse=True)
    ]
    show_table(
        pd.DataFrame(rows, columns=["name", "keys", "entries", "size", "what"]),
        alt=_("Keys in Redis by kind"),
        columns={
            "name": st.column_config.TextColumn(_("Kind"), pinned=True),
            "keys": st.column_config.NumberColumn(_("Keys"), format="localized"),
            "entries": st.column_config.NumberColumn(_("Entries"), format="localized"),
            "size": st.column_config.NumberColumn(_("Memory"), format="%,.1f KiB"),
            "what": st.column_config.TextColumn(_("Details")),
        },
        key="redis_keys",
    )
    if not usage.is_complete:
        st.caption(_("The server holds too many keys to scan all of them: these are a sample."))


def _kept_for(days: float) -> str:
    if math.isinf(days):
        return _("for ever")
    return ngettext("{count} day", "{count} days", int(days)).format(count=number(days))


def _show_kept(kept: Sequence[Kept]) -> None:
    rows = [
        {
            "name": _(item.name),
            "days": item.days or math.inf,
            "oldest": item.oldest,
            "setting": f"{ENV_PREFIX}{item.setting.upper()}",
        }
        for item in kept
    ]
    show_table(
        pd.DataFrame(rows, columns=["name", "days", "oldest", "setting"]),
        alt=_("Retention periods"),
        columns={
            "name": st.column_config.TextColumn(_("What"), pinned=True),
            "days": value_column(_("Kept for")),
            "oldest": time_column(_("Oldest entry"), has_year=True),
            "setting": st.column_config.TextColumn(_("Setting")),
        },
        words={"days": _kept_for},
        key="retention",
    )
