"""OIDC against a real provider (npm `oidc-provider`), with a scripted browser: discovery, PKCE, state, nonce, `iss`, logout."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import re
import shutil
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.conftest import required
from tests.identity.front import Front, error_of, free_port, front

from doorward.identity.oidc import SignUp
from doorward.settings import Settings

SERVER = Path(__file__).parent / "oidc_server"
SECRET = "only-for-tests-9f8e7d6c5b4a39281706"


async def installed() -> None:
    """The provider's packages, from the lock file, once a checkout."""
    if (SERVER / "node_modules" / "oidc-provider").exists():
        return
    npm = shutil.which("npm")
    if npm is None:
        required("npm")
    assert npm is not None
    command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    with (SERVER / "package.json").open() as turn:
        await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)  # test processes run side by side
        if (SERVER / "node_modules" / "oidc-provider").exists():
            return
        quiet = asyncio.subprocess.DEVNULL
        running = await asyncio.create_subprocess_exec(*command, cwd=SERVER, stdout=quiet, stderr=quiet)
        if await running.wait() != 0:
            required("oidc-provider")


@contextlib.asynccontextmanager
async def provider(site_port: int) -> AsyncIterator[str]:
    """-> the issuer."""
    await installed()
    port = free_port()
    site = f"http://localhost:{site_port}"
    arguments = [str(port), f"{site}/api/v1/session/oidc/callback", f"{site}/", SECRET]
    process = await asyncio.create_subprocess_exec(
        "node", "server.mjs", *arguments, cwd=SERVER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        while (line := await asyncio.wait_for(process.stdout.readline(), 30)) != b"ready\n":
            assert line, "the provider ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def house(tmp_path: Path, **changes: object) -> AsyncIterator[Front]:
    site_port = free_port()
    async with (
        provider(site_port) as issuer,
        front(
            tmp_path,
            port=site_port,
            oidc_issuer=issuer,
            oidc_client_id="doorward",
            oidc_client_secret=SECRET,
            oidc_name="Example ID",
            oidc_allow_private=True,
            **{"oidc_sign_up": True, **changes},
        ) as door,
    ):
        yield door


async def at_the_provider(there: httpx2.AsyncClient, url: str, login: str) -> str:
    """Log in and consent, as a person would -> the redirect back to Doorward."""
    for _ in range(12):
        answer = await there.get(url)
        if answer.is_redirect:
            url = str(httpx2.URL(url).join(answer.headers["location"]))
        else:
            form = re.search(r'action="([^"]+)"', answer.text)
            assert form, answer.text
            answer = await there.post(
                str(httpx2.URL(url).join(unescape(form[1]))),
                data={"prompt": "login", "login": login, "password": "any"}
                if 'name="login"' in answer.text
                else {"prompt": "consent"},
            )
            url = str(httpx2.URL(url).join(answer.headers["location"]))
        if "/api/v1/session/oidc/callback" in url:
            return url
    raise AssertionError("the provider goes in circles")


async def back(browser: httpx2.AsyncClient, redirect: str) -> httpx2.Response:
    parts = urlsplit(redirect)
    return await browser.get(f"{parts.path}?{parts.query}")


async def sign_in(door: Front, browser: httpx2.AsyncClient, login: str, start: str = "") -> httpx2.Response:
    answer = await browser.get(f"/api/v1/session/oidc/start{start}")
    assert answer.status_code == 303, answer.text
    async with httpx2.AsyncClient(timeout=15, trust_env=False) as there:
        return await back(browser, await at_the_provider(there, answer.headers["location"], login))


async def test_sign_up_sign_in_again_and_sign_out(tmp_path: Path) -> None:
    async with house(tmp_path) as door:
        ids = set()
        for _ in range(2):
            async with door.browser() as browser:
                assert (await browser.get("/api/v1/session")).json()["oidc"] == "Example ID"
                done = await sign_in(door, browser, "ann", "?return_to=/settings/openai")
                assert done.status_code == 303, done.text
                assert urlsplit(done.headers["location"]).path == "/settings/openai"
                me = (await browser.get("/api/v1/session")).json()["user"]
                assert (me["email"], me["role"]) == ("ann@example.com", "user")
                ids.add(me["id"])
                logout = (await browser.delete("/api/v1/session")).json()["logout_url"]
                query = parse_qs(urlsplit(logout).query)
                assert query["client_id"] == ["doorward"]
                async with httpx2.AsyncClient(timeout=15, trust_env=False) as there:
                    assert (await there.get(logout)).status_code == 200
        assert len(ids) == 1


async def test_a_callback_works_once_and_only_in_its_own_browser(tmp_path: Path) -> None:
    async with house(tmp_path) as door, door.browser() as mine, door.browser() as victim:
        url = (await mine.get("/api/v1/session/oidc/start")).headers["location"]
        async with httpx2.AsyncClient(timeout=15, trust_env=False) as there:
            redirect = await at_the_provider(there, url, "ann")
        await victim.get("/api/v1/session/oidc/start")
        planted = await back(victim, redirect)
        assert error_of(planted, 400)
        assert (await victim.get("/api/v1/session")).json()["user"] is None
        # the attempt used the state up: a callback is good once, whoever brought it
        assert error_of(await back(mine, redirect), 400)
        assert await door.desk.users.list() == []


@pytest.mark.parametrize("trick", ["state", "code", "iss", "error", "nothing"])
async def test_forged_callbacks_are_refused(tmp_path: Path, trick: str) -> None:
    async with house(tmp_path) as door, door.browser() as browser:
        url = (await browser.get("/api/v1/session/oidc/start")).headers["location"]
        state = parse_qs(urlsplit(url).query)["state"][0]
        issuer = urlsplit(url)._replace(path="", query="").geturl()
        query = {
            "state": {"state": "forged", "code": "c", "iss": issuer},
            "code": {"state": state, "code": "forged", "iss": issuer},
            "iss": {"state": state, "code": "c", "iss": "https://evil.example"},
            "error": {"state": state, "error": "access_denied", "iss": issuer},
            "nothing": {},
        }[trick]
        answer = await browser.get("/api/v1/session/oidc/callback", params=query)
        status = {"state": 400, "code": 502, "iss": 400, "error": 403, "nothing": 400}[trick]
        assert error_of(answer, status)
        assert await door.desk.users.list() == []
        assert "doorward" not in browser.cookies


async def test_an_e_mail_never_links(tmp_path: Path) -> None:
    async with house(tmp_path) as door:
        ann = await door.user("ann@example.com")
        async with door.browser() as browser:
            refused = await sign_in(door, browser, "ann")
            assert error_of(refused, 409)["code"] == "link_first"
        async with door.signed_in("ann@example.com") as browser:
            assert (await sign_in(door, browser, "ann", "?link=true")).status_code == 303
        async with door.browser() as browser:
            assert (await sign_in(door, browser, "ann")).status_code == 303
            assert (await browser.get("/api/v1/session")).json()["user"]["id"] == ann.id
        assert "user.link" in await door.audit_actions()
        async with door.browser() as nobody:
            assert error_of(await nobody.get("/api/v1/session/oidc/start?link=true"), 401)


async def test_roles_follow_the_claim_and_unverified_addresses_stay_out(tmp_path: Path) -> None:
    async with house(tmp_path, oidc_role_claim="groups", oidc_admin_values="staff,admins") as door:
        await door.user("root@example.com", "admin")
        for groups, role in (("admins", "admin"), ("guests,others", "user")):
            async with door.browser() as browser:
                set_groups = {"of": "bob", "are": groups}
                assert (await browser.get(f"{door.settings.oidc_issuer}/test/groups", params=set_groups)).text == "ok"
                assert (await sign_in(door, browser, "bob")).status_code == 303
                assert (await browser.get("/api/v1/session")).json()["user"]["role"] == role
        async with door.browser() as browser:
            assert error_of(await sign_in(door, browser, "unverified"), 403)["code"] == "email_not_verified"


async def test_nobody_signs_up_unless_a_setting_says_so(tmp_path: Path) -> None:
    async with house(tmp_path, oidc_sign_up=Settings.model_fields["oidc_sign_up"].default) as door, door.browser() as browser:
        assert error_of(await sign_in(door, browser, "ann"), 403)["code"] == "no_account"
        assert await door.desk.users.list() == []


async def test_a_verified_address_in_an_allowed_domain_signs_up(tmp_path: Path) -> None:
    async with house(tmp_path, oidc_sign_up=False, oidc_domains=" @Example.com, example.org") as door:
        async with door.browser() as browser:
            assert (await sign_in(door, browser, "ann")).status_code == 303
        async with door.browser() as browser:
            assert error_of(await sign_in(door, browser, "unverified"), 403)["code"] == "no_account"
        assert [user.email for user in await door.desk.users.list()] == ["ann@example.com"]


@pytest.mark.parametrize(
    ("email", "verified", "admitted"),
    [
        ("ann@example.com", True, True),
        ("ANN@EXAMPLE.COM", True, True),
        ("ann@example.com", None, False),
        ("ann@example.com", "true", False),
        ("ann@example.com", False, False),
        ("ann@sub.example.com", True, False),
        ("ann@example.com.evil.example", True, False),
        ("ann@example.com@evil.example", True, False),
        ("example.com", True, False),
        (None, True, False),
        (7, True, False),
    ],
)
def test_who_may_sign_up_by_domain(email: object, verified: object, admitted: bool) -> None:
    assert SignUp.of(False, "example.com").admits(email, verified) is admitted
    assert not SignUp.of(False, "").admits(email, verified)
    assert SignUp.of(True, "").admits(email, verified)


@pytest.mark.parametrize(
    "return_to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb"]
)
async def test_return_to_stays_here(return_to: str) -> None:
    from doorward.identity.oidc import own_path

    assert own_path(return_to) == "/"
    assert own_path("/calls?range=7d") == "/calls?range=7d"
