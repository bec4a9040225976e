"""Chromium for tests: Debian's, never one that Playwright would download.

It owns that every page is watched: what a browser reports as an error fails the test that caused it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from limedb.rpc.server.assets import BUILD

WAIT_MS = 30_000
AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"


def lacking() -> str:
    """What is not there to run the dashboard in a browser; empty: all is."""
    if not shutil.which("chromium"):
        return "needs chromium (make system-tools)"
    return "" if (BUILD / "index.html").is_file() and AXE.is_file() else "needs the dashboard (make web)"


@contextmanager
def running_browser(*options: str) -> Iterator[Browser]:
    """A browser for the time of the block, with options of its command line. Playwright's loop runs in this
    thread as long, so that no asynchronous test may run within it.
    """
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=[*root, *options])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched_page(
    browser: Browser, base_url: str, errors_allowed: bool = False, **options: Any
) -> Iterator[Page]:
    """A page of its own session. errors_allowed: where the server fails on purpose."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            errors.append(message.text)

    settings = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark", **options}
    context = browser.new_context(base_url=base_url, **settings)
    try:
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(WAIT_MS)
        yield page
    finally:
        context.close()
    assert errors_allowed or errors == []


def open_live(page: Page, path: str = "/") -> None:
    """Open a page of the dashboard; return when it hears from the cluster."""
    page.goto(path)
    expect(page.get_by_role("banner").get_by_role("status")).to_contain_text("live from")


def violations(page: Page) -> list[str]:
    """What axe finds wrong, a line each."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{v['id']}: {node['html']} ({node['failureSummary']})" for v in found for node in v["nodes"]]
