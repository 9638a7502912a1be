"""Runs the server: `streamlit run dashboard/app.py` from the repository's root, or `uvicorn dashboard.app:app`."""

import importlib.util
import sys
from pathlib import Path

import streamlit as st

FOLDER = Path(__file__).absolute().parent
# Streamlit puts this folder on the path, where its `data` and `forms` would take the place of users' own modules.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").absolute() != FOLDER]
if getattr(importlib.util.find_spec("taskyard"), "origin", None) is None:  # a checkout that is not installed
    sys.path.insert(0, str(FOLDER.resolve().parent))

from taskyard.core.errors import ConfigurationError  # noqa: E402
from taskyard.core.private_files import keep_files_private, refuse_inspection  # noqa: E402
from taskyard.dashboard.server.app import lifespan, middleware, print_error, routes  # noqa: E402
from taskyard.dashboard.server.peer_addresses import keep_peer_addresses  # noqa: E402

keep_files_private()
refuse_inspection()
keep_peer_addresses()

try:
    passed_first = middleware()
except ConfigurationError as error:
    raise SystemExit(f"the dashboard can't start: {error}") from None
app = st.App(
    FOLDER / "shell" / "router.py",
    routes=routes(),
    middleware=passed_first,
    lifespan=lifespan,
    on_script_error=print_error,
)
