"""Chromium without a screen, and what it complains about."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

#: As root, in a container, and without a word to anybody outside.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Milliseconds that a page is given for anything.
PATIENCE = 20_000
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""


@asynccontextmanager
async def chromium(program: str, **environment: str) -> AsyncIterator[Browser]:
    """The browser at `program`, with further variables."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=list(FLAGS), env={**os.environ, **environment}
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Watched:
    """A page, what it asked for, and what it said that it should not."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def violations(self) -> list[str]:
        """What its Content-Security-Policy stopped."""
        found: list[str] = await self.page.evaluate("window.violations")
        return found

    async def overflows(self) -> int:
        """By how many pixels it is wider than its window."""
        wide: int = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return wide


@asynccontextmanager
async def opened(browser: Browser, url: str, **context: Any) -> AsyncIterator[Watched]:
    """`url` in a window of its own; `context` is Playwright's (`color_scheme`, `viewport`…)."""
    window = await browser.new_context(**context)
    try:
        page = await window.new_page()
        page.set_default_timeout(PATIENCE)
        watched = Watched(page)
        page.on("request", lambda request: watched.asked.append(request.url))
        page.on("console", lambda said: watched.complaints.append(said.text))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
        await page.add_init_script(VIOLATIONS)
        await page.goto(url)
        yield watched
    finally:
        await window.close()
