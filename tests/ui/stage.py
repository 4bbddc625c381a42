"""A whole Doorward and a browser on it: `async with stage(tmp_path, custody="admin") as s: await s.page.goto(s.url)`.

Every page error and every message about the content security policy fails the test. Playwright's own scripts
bypass the policy, so axe can be put into a page that would not load it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect
from tests.conftest import required
from tests.house import CANARY, House, house

from doorward.core.secret import Secret
from doorward.edge.pages import BUILT

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
OUTPUT = ROOT / "test-output"
PASSWORD = "correct horse battery"
PHONE, DESK = 390, 1280

Theme = Literal["light", "dark"]

expect.set_options(timeout=15_000)


@dataclass
class Stage:
    door: House
    url: str
    """By name: passkeys refuse addresses."""
    browser: Browser
    context: BrowserContext
    page: Page
    problems: list[str] = field(default_factory=list)

    async def sign_in(self, email: str = "ann@example.com", role: str = "admin") -> None:
        """Makes the user and signs in through the form."""
        await self.door.app.people.desk.users.add(email, role, Secret(PASSWORD), actor="operator")  # type: ignore[arg-type]
        await self.page.goto(self.url + "/signin")
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await self.page.wait_for_url(self.url + "/")

    async def store_key(self) -> None:
        """The signed-in user's own."""
        path, own = "/api/v1/me/openai-key", {"origin": self.url}
        answer = await self.context.request.put(self.url + path, data={"key": CANARY}, headers=own)
        assert answer.status == 204

    async def check(self, name: str) -> None:
        """No serious finding of axe's; where they are wished for, a picture at both widths in both themes."""
        await self.axe(name)
        await self.pictures(name)

    async def axe(self, name: str) -> None:
        await self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = await self.page.evaluate("async () => (await axe.run()).violations")
        serious = [
            f"{one['id']}: {one['nodes'][0]['failureSummary']} {one['nodes'][0]['html'][:300]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{name}: {serious}"

    async def pictures(self, name: str) -> None:
        """With `DOORWARD_TEST_PICTURES=1`: they are for people, and take longer than the journeys."""
        if "DOORWARD_TEST_PICTURES" not in os.environ:
            return
        OUTPUT.mkdir(exist_ok=True)
        size = self.page.viewport_size or {"width": DESK, "height": 800}
        for width, height in ((DESK, 800), (PHONE, 844)):
            await self.page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                await self.theme(theme)
                await self.page.wait_for_timeout(60)
                await self.page.screenshot(path=OUTPUT / f"{name}-{width}-{theme}.png")
        await self.theme("light")
        await self.page.set_viewport_size(size)

    async def theme(self, theme: str) -> None:
        await self.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        # the page hears of it with the next frame; until then half of it could still be of the other theme
        await self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    async def storages(self) -> str:
        """Everything that scripts of the page can keep, as one text."""
        stored = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state])"
        text: str = await self.page.evaluate(stored)
        databases: list[Any] = await self.page.evaluate("async () => (await indexedDB.databases()).map(({name}) => name)")
        assert databases == []
        return text


@contextlib.asynccontextmanager
async def stage(tmp_path: Path, *, width: int = DESK, **changes: Any) -> AsyncIterator[Stage]:
    if not CHROMIUM.exists():
        required("chromium")
    if not (BUILT / "index.html").exists() and "DOORWARD_TEST_REQUIRE" not in os.environ:
        pytest.skip("the pages are not built; run make pages")
    async with house(tmp_path, **changes) as door, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            context = await browser.new_context(
                viewport={"width": width, "height": 844 if width == PHONE else 800}, locale="en-GB", reduced_motion="reduce"
            )
            page = await context.new_page()
            found = Stage(door, door.url.replace("127.0.0.1", "localhost"), browser, context, page)
            _listen(page, found.problems)
            yield found
            assert CANARY not in await found.storages()
            assert not found.problems, found.problems
        finally:
            await browser.close()


def _listen(page: Page, problems: list[str]) -> None:
    def told(message: ConsoleMessage) -> None:
        # a refused request is told as an error, too: the tests look at what the page says of it
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            problems.append(message.text)

    page.on("console", told)
    page.on("pageerror", lambda error: problems.append(f"{error.name}: {error.message}"))
