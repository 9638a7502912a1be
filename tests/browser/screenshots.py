"""Pictures of every page: `python -m tests.browser.screenshots FOLDER`, or `make screenshots`.

Starts an installation of its own with sample work, opens each page in Chromium, light and dark, on a
wide window and on a phone, and writes <page>-<light|dark>-<wide|phone>.png, and beside them what the
installation logged. --scale makes it an installation with 0, 1 or 3000 agents, queues and alerts instead;
--language zh shows it in Chinese. With --whole the pictures are as long as the pages. With --readme those
that the documentation shows are renewed too.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, TimeoutError, sync_playwright

from tests.browser.conftest import CHROMIUM_OPTIONS, CHROMIUMS, chromium
from tests.browser.crowd import Crowd
from tests.browser.scenery import Scenery
from tests.servers import REPOSITORY

DEFAULT_FOLDER = REPOSITORY / ".data" / "screenshots"
README_FOLDER = REPOSITORY / "docs" / "assets"
README_PICTURES = (
    "overview-light-wide",
    "overview-dark-wide",
    "tasks-light-wide",
    "task-light-wide",
    "task-dark-wide",
    "agents-light-wide",
    "reports-light-wide",
    "workflow-light-wide",
    "overview-light-phone",
    "learning-light-wide",
    "learning-order-light-wide",
)
COLORS_KEPT = 192
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
PHONE = {
    "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
    "is_mobile": True,
    "has_touch": True,
}
THEMES = ("light", "dark")
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
NO_TASK = "01900000-0000-7000-8000-000000000000"  # where there is none
LONGEST_PX = 8_000
TIMEOUT_MS = 60_000
SETTLING_MS = 1_500  # for what moves into its place
BROKEN = "This page could not be shown"
POLICY = "Content Security Policy"
IS_DRAWN = """() => document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
    && document.querySelectorAll('[data-testid="stSkeleton"], [data-testid="stSpinner"]').length === 0
    && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')].every(e => e.querySelector('.main-svg'))"""
HEIGHT = """() => Math.max(...[...document.querySelectorAll(
    '[data-testid="stMain"], [data-testid="stMainBlockContainer"]')].map(e => e.scrollHeight))"""
TOO_WIDE_PX = """() => Math.max(...[document.documentElement, ...document.querySelectorAll(
    '[data-testid="stMain"], [data-testid="stMainBlockContainer"]')].map(e => e.scrollWidth - e.clientWidth))"""


def main() -> None:
    """The command."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    program = chromium()
    if program is None:
        raise SystemExit(f"there is no {' or '.join(CHROMIUMS)} on the path: on Debian, apt-get install {CHROMIUMS[0]}")
    temporary = Path(tempfile.mkdtemp(prefix="taskyard-pictures-"))
    temporary.chmod(0o755)  # PostgreSQL's own user passes through it
    scenery = Scenery(temporary) if options.scale is None else Crowd(temporary, options.scale)
    try:
        with scenery, sync_playwright() as playwright:
            print("filling an installation with work …", flush=True)
            scenery.fill()
            browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_OPTIONS)
            broken = _take_all(browser, scenery, options)
            browser.close()
    finally:
        shutil.copy(temporary / "log", options.folder / "log")
        shutil.rmtree(temporary)
    if options.readme:
        _renew_readme(options.folder)
    if broken:
        raise SystemExit(f"{len(broken)} pictures show a page that is broken: {', '.join(broken)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help=f"default: {DEFAULT_FOLDER}")
    parser.add_argument("--only", action="append", metavar="PAGE", help="only this page; may repeat")
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this theme; may repeat")
    parser.add_argument("--size", action="append", choices=SIZES, help="only this size; may repeat")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="default: en")
    parser.add_argument("--scale", type=int, metavar="N", help="with N agents, queues and alerts, and no sample work")
    parser.add_argument("--whole", action="store_true", help="the whole page, however long")
    parser.add_argument("--readme", action="store_true", help=f"also renew {README_FOLDER}")
    return parser.parse_args()


def _paths(scenery: Scenery) -> Mapping[str, str]:
    """The address of each page by the name of its picture."""
    failed = scenery.tasks("--type", "diagnostic.flaky", "--state", "completed", "--limit", "1")
    tasks = failed or scenery.tasks("--state", "completed", "--limit", "1")
    task_id = tasks[0]["id"] if tasks else NO_TASK
    parts = ("leader", "hosts", "storage", "settings", "dashboard", "log")
    return {
        "overview": "?range=24h",
        "tasks": "tasks",
        "tasks-panel": f"tasks?task={task_id}",
        "task": f"task?id={task_id}",
        "workflows": "workflows",
        "workflow": f"workflows?workflow={scenery.workflow_id()}",
        "submit": "submit?type=diagnostic.sleep",
        "schedules": "schedules",
        "schedule": "schedules?schedule=index",
        "queues": "queues",
        "queues-table": "queues?view=table",
        "queue": "queues?queue=default",
        "agents": "agents",
        "agents-table": "agents?view=table",
        "agent": "agents?agent=coder-1",
        "failures": "failures",
        "alerts": "alerts",
        "alerts-past": "alerts?show=history",
        "alerts-silences": "alerts?show=silences",
        "alerts-rules": "alerts?show=rules",
        "learning": "learning",
        "learning-order": "learning?show=order&range=24h&compared=renders",
        "webhooks": "webhooks",
        "webhooks-deliveries": "webhooks?show=deliveries",
        "audit": "audit",
        "reports": "reports?period=24h",
        "reports-written": "reports?part=written",
        "system": "system?range=15m",
        **{f"system-{part}": f"system?part={part}" for part in parts},
        "access": "access",
    }


def _take_all(browser: Browser, scenery: Scenery, options: argparse.Namespace) -> list[str]:
    """Takes the pictures that are asked for; returns the names of those that show a broken page."""
    broken = []
    wanted = {name: path for name, path in _paths(scenery).items() if not options.only or name in options.only}
    for theme, size in itertools.product(options.theme or THEMES, options.size or SIZES):
        context = browser.new_context(
            viewport=SIZES[size],  # type: ignore[arg-type]
            **(PHONE if size == "phone" else {}),  # type: ignore[arg-type]
            color_scheme=theme,
            locale=LANGUAGES[options.language],
            timezone_id="UTC",
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.request.get(f"{scenery.url}{scenery.sign_in_path()}")
        for name, path in wanted.items():
            file = options.folder / f"{name}-{theme}-{size}.png"
            started_at = time.monotonic()
            problem = _take(context, f"{scenery.url}/{path}", file, size, whole=options.whole)
            print(f"{file} {time.monotonic() - started_at:.1f} s {problem}".rstrip(), flush=True)
            broken += [file.name] if problem else []
        context.close()
    return broken


def _take(context: BrowserContext, url: str, file: Path, size: str, *, whole: bool) -> str:
    """Takes one picture; returns what is wrong with the page, nothing if it is fine."""
    page: Page = context.new_page()
    refused: list[str] = []  # by the policy that the page was sent with
    page.on("console", lambda line: refused.append(line.text) if POLICY in line.text else None)
    problem = ""
    try:
        page.goto(url)
        page.wait_for_selector("h1")
        _settle(page)
        if whole:
            height = min(LONGEST_PX, max(SIZES[size]["height"], int(page.evaluate(HEIGHT)) + 40))
            page.set_viewport_size({"width": SIZES[size]["width"], "height": height})
            _settle(page)
        if page.get_by_text(BROKEN).count():
            problem = "could not be shown"
        if wide_px := page.evaluate(TOO_WIDE_PX):
            problem = f"is {wide_px} px wider than the window"
        if refused:
            problem = f"was refused something: {refused[0]}"
    except TimeoutError:
        problem = f"is not there after {TIMEOUT_MS / 1000:.0f} s"
    page.screenshot(path=file)
    page.close()
    return problem


def _settle(page: Page) -> None:
    page.wait_for_function(IS_DRAWN)
    page.wait_for_timeout(SETTLING_MS)
    page.wait_for_function(IS_DRAWN)


def _renew_readme(folder: Path) -> None:
    """Those that the README shows, with fewer colours: small enough for the repository."""
    README_FOLDER.mkdir(exist_ok=True)
    for name in README_PICTURES:
        source = folder / f"{name}.png"
        if source.exists():
            with Image.open(source) as picture:
                few = picture.convert("RGB").quantize(COLORS_KEPT, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
            few.save(README_FOLDER / source.name, optimize=True)


if __name__ == "__main__":
    main()
