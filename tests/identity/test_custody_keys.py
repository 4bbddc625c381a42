"""R1-R7 over HTTP: whose key, which mode, which words; and that a key never comes out again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.identity.front import GOOD, KEY, error_of, front

from doorward.core.caller import Caller
from doorward.identity.custody import Custody, anonymous_caller, no_account, require_call


def files(tmp_path: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())


async def test_per_user_set_see_and_clear(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        ann = await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": False}
            put = await browser.put("/api/v1/me/openai-key", json={"key": f"  {KEY}\n"})
            assert (put.status_code, put.content) == (204, b"")
            assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": True}
            [account] = await door.accounts.of_owner(f"user:{ann.id}")
            assert (account.provider_id, account.label) == ("openai", "default")
            assert (await browser.put("/api/v1/me/openai-key", json={"key": KEY + "2"})).status_code == 204
            assert len(await door.accounts.of_owner(f"user:{ann.id}")) == 1
            assert (await browser.delete("/api/v1/me/openai-key")).status_code == 204
            assert (await browser.delete("/api/v1/me/openai-key")).status_code == 204
            assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": False}
            assert error_of(await browser.get("/api/v1/openai-key"), 404)["code"] == "not_in_this_mode"
            assert error_of(await browser.put("/api/v1/openai-key", json={"key": KEY}), 404)["code"] == "not_in_this_mode"
        actions = [action for action in await door.audit_actions() if action.startswith("key.")]
        assert actions == ["key.set", "key.set", "key.clear"]
        assert KEY.encode() not in files(tmp_path)


async def test_nobody_signed_in_is_told_so_before_anything_is_read(tmp_path: Path) -> None:
    async with front(tmp_path) as door, door.browser() as browser:
        for method in ("GET", "PUT", "DELETE"):
            answer = await browser.request(method, "/api/v1/me/openai-key", content=b"not json" if method == "PUT" else None)
            assert error_of(answer, 401)["message"] == "Sign in to use this feature"


@pytest.mark.parametrize(
    "bad", ["", "   ", "\n", "dw-abc", "hello", "sk-a b", "sk-\x01aaaa", "sk-" + "x" * 10_000, "sk-ключ", 7, None]
)
async def test_a_bad_key_is_refused_without_an_echo_and_changes_nothing(tmp_path: Path, bad: Any) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            answer = await browser.put("/api/v1/me/openai-key", json={"key": bad})
            assert error_of(answer, 422)
            if isinstance(bad, str) and len(bad) > 4:
                assert bad not in answer.text
            assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": False}


async def test_the_row_is_chosen_by_identity_alone(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        ann, bob = await door.user("ann@example.com"), await door.user("bob@example.com")
        async with door.signed_in("ann@example.com") as browser:
            tricks = {"x-user-id": bob.id, "x-doorward-user": bob.id}
            answer = await browser.put(f"/api/v1/me/openai-key?user_id={bob.id}", json={"key": KEY}, headers=tricks)
            assert answer.status_code == 204
            answer = await browser.put("/api/v1/me/openai-key", json={"key": KEY, "user_id": bob.id})
            assert error_of(answer, 422)
        assert len(await door.accounts.of_owner(f"user:{ann.id}")) == 1
        assert await door.accounts.of_owner(f"user:{bob.id}") == []


async def test_fifty_first_settings_at_once_leave_one_account(tmp_path: Path, postgres_url: str) -> None:
    for url in (None, postgres_url):
        async with front(tmp_path, url) as door:
            ann = await door.user("ann@example.com")
            async with door.signed_in("ann@example.com") as browser:
                tries = [browser.put("/api/v1/me/openai-key", json={"key": f"{KEY}{number}"}) for number in range(50)]
                assert {answer.status_code for answer in await asyncio.gather(*tries)} == {204}
            assert len(await door.accounts.of_owner(f"user:{ann.id}")) == 1
            verdict = await door.desk.audit.verify()
            assert verdict.broken_at is None


async def test_admin_custody(tmp_path: Path) -> None:
    async with front(tmp_path, custody="admin") as door:
        await door.user("root@example.com", "admin")
        await door.user("ann@example.com")
        async with door.browser() as nobody:
            assert (await nobody.get("/api/v1/openai-key")).json() == {"configured": False}
            assert (
                error_of(await nobody.put("/api/v1/openai-key", json={"key": KEY}), 401)["message"] == "Sign in to use this feature"
            )
            for method in ("GET", "PUT", "DELETE"):
                answer = await nobody.request(method, "/api/v1/me/openai-key")
                assert error_of(answer, 404)["code"] == "not_in_this_mode"
        async with door.signed_in("ann@example.com") as ann:
            refused = error_of(await ann.put("/api/v1/openai-key", json={"key": KEY}), 403)
            assert refused["message"] == "Unauthorized: Only admins can set the OpenAI API key"
        async with door.signed_in("root@example.com") as root:
            assert (await root.put("/api/v1/openai-key", json={"key": KEY})).status_code == 204
            assert (await root.get("/api/v1/openai-key")).json() == {"configured": True}
        [account] = await door.accounts.of_owner("operator")
        assert (account.provider_id, account.label) == ("openai", "default")


async def test_anonymous_custody_anyone_sets_it_and_foreign_credentials_are_ignored(tmp_path: Path) -> None:
    async with front(tmp_path, custody="anonymous") as door, door.browser() as visitor:
        sdk = {"authorization": "Bearer sk-whatever"}
        assert (await visitor.put("/api/v1/openai-key", json={"key": KEY}, headers=sdk)).status_code == 204
        assert (await visitor.put("/api/v1/openai-key", json={"key": KEY + "2"})).status_code == 204
        assert (await visitor.get("/api/v1/openai-key", headers=sdk)).json() == {"configured": True}
        assert len(await door.accounts.of_owner("operator")) == 1
        bad = {"authorization": "Bearer dw-nonsense"}
        assert error_of(await visitor.put("/api/v1/openai-key", json={"key": KEY}, headers=bad), 401)["code"] == "invalid_api_key"
        assert error_of(await visitor.get("/api/v1/me/openai-key"), 404)["code"] == "not_in_this_mode"
        assert error_of(await visitor.get("/api/v1/accounts"), 403)


USER = Caller(
    owner="user:u", draws_on=frozenset({"user:u"}), scopes=frozenset({"call", "me"}), role="user", user_id="u", session_id="s"
)
OPERATORS = Caller(owner="key:k", draws_on=frozenset({"operator"}), scopes=frozenset({"call"}), key_id="k")


@pytest.mark.parametrize(
    ("custody", "caller", "status", "code", "message"),
    [
        ("per_user", USER, 403, "key_not_configured", "Set your OpenAI API key first"),
        ("per_user", anonymous_caller(), 401, "not_authenticated", "Sign in to use this feature"),
        ("per_user", OPERATORS, 503, "key_not_configured", "OpenAI is not configured"),
        ("admin", USER, 503, "key_not_configured", "OpenAI is not configured"),
        ("anonymous", anonymous_caller(), 503, "key_not_configured", "OpenAI is not configured"),
    ],
)
def test_what_is_said_when_no_account_serves(custody: Custody, caller: Caller, status: int, code: str, message: str) -> None:
    refused = no_account(custody, caller)
    assert (refused.status, refused.code, refused.message) == (status, code, message)
    assert refused.should_retry is False


def test_calls_need_the_user_role_in_admin_custody() -> None:
    from dataclasses import replace

    from doorward.core.errors import Forbidden

    require_call("admin", USER)
    require_call("admin", OPERATORS)
    require_call("anonymous", anonymous_caller())
    with pytest.raises(Forbidden, match="^Unauthorized$"):
        require_call("admin", replace(USER, role=None))
    with pytest.raises(Forbidden):
        require_call("per_user", replace(OPERATORS, scopes=frozenset({"me"})))


async def test_a_restart_in_another_mode_keeps_every_key(tmp_path: Path) -> None:
    async with front(tmp_path) as door:
        await door.user("ann@example.com")
        async with door.signed_in("ann@example.com") as browser:
            await browser.put("/api/v1/me/openai-key", json={"key": KEY})
    async with front(tmp_path, custody="admin") as door, door.browser() as browser:
        assert (await browser.get("/api/v1/openai-key")).json() == {"configured": False}
    async with front(tmp_path) as door, door.signed_in("ann@example.com") as browser:
        assert (await browser.get("/api/v1/me/openai-key")).json() == {"configured": True}
    assert GOOD.encode() not in files(tmp_path)
