"""The server: `streamlit run dashboard/app.py` from the repository's root, or `uvicorn dashboard.app:app`."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this folder on the path, and the packages are beside it.
FOLDER = Path(__file__).resolve().parent
if str(FOLDER.parent) not in sys.path:
    sys.path.insert(0, str(FOLDER.parent))

from core.errors import ConfigurationError  # noqa: E402
from core.private_files import keep_files_private, refuse_inspection  # noqa: E402
from dashboard.server import lifespan, middleware, routes, tell_error  # noqa: E402

keep_files_private()
refuse_inspection()

try:
    passed_first = middleware()
except ConfigurationError as error:
    raise SystemExit(f"the dashboard can't start: {error}") from None
app = st.App(
    FOLDER / "router.py", routes=routes(), middleware=passed_first, lifespan=lifespan, on_script_error=tell_error
)
