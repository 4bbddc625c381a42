"""Custody `anonymous`: no login, one key that anyone may set, a cap on everything together (R6)."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest
from tests.journeys.custody import ANN, BOB, asked, at, prompted, refused, soon, text, tries_to_change_custody, upstream
from tests.process import refused_start, served

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

NOT_SET = (503, "OpenAI is not configured", "key_not_configured")
CAP_USD = 0.0001
OPEN = "DOORWARD_ALLOW_PUBLIC_ANONYMOUS"
ON = {"DOORWARD_CUSTODY": "anonymous", "DOORWARD_SPEND_CAP_USD": "1"}


async def test_anyone_calls_and_sets_the_key(tmp_path: Path) -> None:
    async with upstream() as up, served(tmp_path, **at(up), **ON) as door:
        revoked = await door.cli("key", "create", "--label", "revoked")
        good = await door.cli("key", "create", "--label", "good")
        await door.cli("key", "revoke", revoked["id"])
        async with door.browser() as visitor, door.program("sk-whatever-an-sdk-sends") as sdk:
            assert (await visitor.get("/api/v1/openai-key")).json() == {"configured": False}
            for attempt in (prompted(visitor), asked(visitor), asked(sdk)):
                refused(await attempt, *NOT_SET)
            assert up.calls == 0
            for path in ("/api/v1/me/openai-key", "/api/v1/me/keys", "/api/v1/me/sessions"):
                answer = await visitor.get(path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_in_this_mode"), path
            for path in ("/api/v1/session", "/api/v1/setup", "/api/v1/invitations/accept"):
                assert (await visitor.post(path, json={})).json()["error"]["code"] == "not_in_this_mode", path
            await tries_to_change_custody(visitor, "anonymous")

            assert (await visitor.put("/api/v1/openai-key", json={"key": ANN})).status_code == 204
            assert (await visitor.get("/api/v1/openai-key")).json() == {"configured": True}
            for attempt in (prompted(visitor), asked(visitor), asked(sdk)):
                assert text(await attempt) == "Ann"
            assert (await sdk.put("/api/v1/openai-key", json={"key": BOB})).status_code == 204
            assert text(await asked(visitor)) == "Bob"

            # the official SDK, with whatever key it has
            async with openai.AsyncOpenAI(base_url=door.url + "/v1", api_key="unused", max_retries=0) as client:
                made = await client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])
                assert made.choices[0].message.content == "Bob"

            # a client key of ours is checked as everywhere
            for key, carrier in ((revoked["key"], "authorization"), ("dw-nonsense", "x-api-key"), (revoked["key"], "api-key")):
                value = f"Bearer {key}" if carrier == "authorization" else key
                async with door.program() as program:
                    answer = await program.post("/v1/chat/completions", json={"model": "gpt-4o-mini"}, headers={carrier: value})
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key"), carrier
            async with door.program(good["key"]) as program:
                assert text(await asked(program)) == "Bob"

            # pages of other sites may not write, whoever they are
            for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
                async with door.program() as program:
                    for path, body in (
                        ("/api/v1/openai-key", {"key": ANN}),
                        ("/api/v1/chat", {"prompt": "x"}),
                        ("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": []}),
                    ):
                        method = "PUT" if path.endswith("key") else "POST"
                        answer = await program.request(method, path, json=body, headers=foreign)
                        assert answer.status_code == 403, (path, foreign)
            assert text(await asked(visitor)) == "Bob"

            # visitors are no admins
            assert (await visitor.get("/api/v1/accounts")).status_code == 403
            assert (await visitor.get("/api/v1/users")).status_code == 403


async def test_everything_together_stays_under_the_cap(tmp_path: Path) -> None:
    async with upstream() as up, served(tmp_path, **at(up), **(ON | {"DOORWARD_SPEND_CAP_USD": str(CAP_USD)})) as door:
        async with door.browser() as visitor:
            assert (await visitor.put("/api/v1/openai-key", json={"key": ANN})).status_code == 204
            answer = await asked(visitor, max_tokens=1000)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "budget_exceeded")
            assert answer.headers["x-should-retry"] == "false"
            assert up.calls == 0
            assert text(await asked(visitor, max_tokens=5)) == "Ann"
            await soon(lambda: _is_shut(visitor))
            cost_usd = 10 * 0.15e-6 + 5 * 0.6e-6  # what the scripted upstream bills a call
            assert 1 <= up.billed <= CAP_USD / cost_usd


async def _is_shut(visitor) -> bool:  # type: ignore[no-untyped-def]
    return (await asked(visitor, max_tokens=5)).status_code == 429


@pytest.mark.parametrize(
    ("words", "changes", "says"),
    [
        ((), {"DOORWARD_CUSTODY": "anonymous"}, "DOORWARD_SPEND_CAP_USD"),
        (("--host", "0.0.0.0"), ON, OPEN),
        (("--host", "::"), ON, OPEN),
        (
            ("--host", "0.0.0.0"),
            {"DOORWARD_CUSTODY": "anonymous", OPEN: "1"},
            "DOORWARD_SPEND_CAP_USD",
        ),
        ((), {"DOORWARD_CUSTODY": "anyone"}, "DOORWARD_CUSTODY"),
        ((), {"DOORWARD_CUSTODY": ""}, "DOORWARD_CUSTODY"),
    ],
)
async def test_it_does_not_start_open_by_accident(
    tmp_path: Path, words: tuple[str, ...], changes: dict[str, str], says: str
) -> None:
    assert says in await refused_start(tmp_path / "data", *words, **changes)
