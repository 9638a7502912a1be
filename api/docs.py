"""Serves the page of the API's documentation, from this machine's own files."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

PATH, FILES, START = "/docs", "/docs/files", "/docs/start.js"
# The page runs this server's scripts only and asks nobody else; Swagger UI writes styles into its elements.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="files/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="files/swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: %s,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
"""


def install(app: FastAPI) -> None:
    """Adds the page and its files; the page is at `/docs/`, to which `/docs` and `/` lead."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    @router.get(PATH)
    async def lead() -> Response:
        return Response(status_code=307, headers={"location": f"{PATH}/"})

    @router.get(f"{PATH}/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.format(title=escape(app.title)), headers={"content-security-policy": POLICY})

    @router.get(START)
    async def start(request: Request) -> Response:
        return Response(SCRIPT % json.dumps(f"..{app.openapi_url}"), media_type="text/javascript")

    app.include_router(router)
    folder = Path(fastapi_offline.__file__).parent / "static"
    app.mount(FILES, StaticFiles(directory=folder), name="documentation")
