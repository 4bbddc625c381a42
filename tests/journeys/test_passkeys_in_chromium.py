"""Passkeys with a real browser and its virtual authenticator: register, sign in, sign in again, be refused (R12).

On the API, from a blank page of our own origin: what the browser checks (origin, RP id, user verification) is real.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, async_playwright
from tests.conftest import required
from tests.process import PASSWORD, served

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

CALL = """async ([method, path, body]) => {
  const options = {method, headers: {"content-type": "application/json"}};
  if (body !== null) options.body = JSON.stringify(body);
  const answer = await fetch(path, options);
  const text = await answer.text();
  return {status: answer.status, json: text ? JSON.parse(text) : null};
}"""

CEREMONY = """async ([kind, options]) => {
  const parse = {create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON"}[kind];
  try {
    const made = await navigator.credentials[kind]({publicKey: PublicKeyCredential[parse](options)});
    return {credential: made.toJSON()};
  } catch (error) {
    return {refused: error.name};
  }
}"""


class Browser:
    def __init__(self, page: Page, cdp: CDPSession) -> None:
        self.page = page
        self.cdp = cdp
        self.authenticator = ""

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await self.page.evaluate(CALL, [method, path, body])
        return answer["status"], answer["json"]

    async def has_authenticator(self, *, verifies: bool = True) -> None:
        if self.authenticator:
            await self.cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": self.authenticator})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": True,
        }
        self.authenticator = (await self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options}))["authenticatorId"]

    async def verifies(self, yes: bool) -> None:
        await self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.authenticator, "isUserVerified": yes})

    async def ceremony(self, kind: str, begin: str) -> Any:
        status, options = await self.call("POST", begin)
        assert status == 200, options
        return await self.page.evaluate(CEREMONY, [kind, options])

    async def sign_in(self) -> tuple[int, Any, Any]:
        done = await self.ceremony("get", "/api/v1/session/passkey/begin")
        status, said = await self.call("POST", "/api/v1/session/passkey", {"credential": done["credential"]})
        return status, said, done["credential"]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    executable = shutil.which("chromium")
    if executable is None:
        required("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        try:
            yield await browser.new_page()
        finally:
            await browser.close()


@pytest.mark.chromium
async def test_register_and_sign_in_with_a_passkey(tmp_path: Path, page: Page) -> None:
    async with served(tmp_path) as door:
        await door.user("ann@example.com")
        await page.goto(door.url + "/healthz")
        browser = Browser(page, await page.context.new_cdp_session(page))
        await browser.cdp.send("WebAuthn.enable")
        await browser.has_authenticator()
        status, _ = await browser.call("POST", "/api/v1/session", {"email": "ann@example.com", "password": PASSWORD})
        assert status == 200

        made = await browser.ceremony("create", "/api/v1/me/passkeys/begin")
        passkey = {"name": "laptop", "credential": made["credential"]}
        status, said = await browser.call("POST", "/api/v1/me/passkeys", passkey)
        assert (status, said["name"]) == (201, "laptop"), said
        status, said = await browser.call("POST", "/api/v1/me/passkeys", passkey)
        assert status == 400, "a challenge worked twice"
        # the browser itself refuses a second one for the same person
        assert (await browser.ceremony("create", "/api/v1/me/passkeys/begin"))["refused"] == "InvalidStateError"

        assert (await browser.call("DELETE", "/api/v1/session"))[0] == 200
        assert (await browser.call("GET", "/api/v1/me"))[0] == 401
        status, said, used = await browser.sign_in()
        assert (status, said["email"]) == (200, "ann@example.com"), said
        assert (await browser.call("GET", "/api/v1/me"))[1]["role"] == "user"
        [kept] = (await browser.call("GET", "/api/v1/me/passkeys"))[1]["data"]
        assert kept["last_used_at"] is not None
        sessions = (await browser.call("GET", "/api/v1/me/sessions"))[1]["data"]
        assert [row["how"] for row in sessions if row["current"]] == ["passkey"]

        # the same answer again is worth nothing
        status, said = await browser.call("POST", "/api/v1/session/passkey", {"credential": used})
        assert (status, said["error"]["type"]) == (400, "invalid_request_error")

        # who is not verified by their device is refused by the browser, before we are asked
        await browser.verifies(False)
        assert (await browser.ceremony("get", "/api/v1/session/passkey/begin"))["refused"] == "NotAllowedError"
        await browser.verifies(True)
        assert (await browser.sign_in())[0] == 200

        # a device that was lost: remove its passkey, and it opens nothing
        assert (await browser.call("DELETE", f"/api/v1/me/passkeys/{kept['id']}"))[0] == 200
        status, said, _ = await browser.sign_in()
        assert (status, said["error"]["message"]) == (401, "This passkey was not accepted. Try again, or sign in another way.")


@pytest.mark.chromium
async def test_a_page_at_another_address_has_no_use_of_it(tmp_path: Path, page: Page) -> None:
    """Opened by its IP address, the browser offers no passkeys; and what it would sign for there is refused here."""
    async with served(tmp_path) as door:
        port = door.url.rpartition(":")[2]
        await page.goto(f"http://127.0.0.1:{port}/healthz")
        browser = Browser(page, await page.context.new_cdp_session(page))
        await browser.cdp.send("WebAuthn.enable")
        await browser.has_authenticator()
        status, options = await browser.call("POST", "/api/v1/session/passkey/begin")
        if status == 200:
            assert "refused" in await page.evaluate(CEREMONY, ["get", options])
