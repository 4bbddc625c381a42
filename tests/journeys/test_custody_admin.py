"""Custody `admin`: one key for everybody, set by an admin (R5), over HTTP and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.journeys.custody import (
    ANN,
    KEYS,
    OPERATORS,
    asked,
    at,
    makes_key,
    prompted,
    refused,
    text,
    tries_to_change_custody,
    upstream,
)
from tests.process import served

# Real processes on a machine that others use: the bound is against hanging, not a promise of speed.
pytestmark = pytest.mark.timeout(240)

NOT_SET = (503, "OpenAI is not configured", "key_not_configured")
ONLY_ADMINS = "Unauthorized: Only admins can set the OpenAI API key"


async def test_an_admin_sets_the_key_and_users_call_with_it(tmp_path: Path) -> None:
    async with upstream() as up, served(tmp_path, **at(up), DOORWARD_CUSTODY="admin") as door:
        await door.user("root@example.com", "--admin")
        await door.user("ann@example.com")
        async with door.browser() as nobody:
            assert (await nobody.get("/api/v1/openai-key")).json() == {"configured": False}
            refused(await nobody.put("/api/v1/openai-key", json={"key": ANN}), 401, "Sign in to use this feature")
            refused(await prompted(nobody), 401, "Sign in to use this feature")
            for method in ("GET", "PUT", "DELETE"):
                answer = await nobody.request(method, "/api/v1/me/openai-key")
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_in_this_mode")
            await tries_to_change_custody(nobody, "admin")
        async with door.signed_in("ann@example.com") as ann, door.signed_in("root@example.com") as root:
            everything = await makes_key(ann, scopes=["call", "me"])
            async with door.program(everything) as anns_program, door.program(await makes_key(root)) as roots_program:
                refused(await ann.put("/api/v1/openai-key", json={"key": ANN}), 403, ONLY_ADMINS)
                refused(await anns_program.put("/api/v1/openai-key", json={"key": ANN}), 403, ONLY_ADMINS)
                # an admin's key without the scope admin is no admin
                refused(await roots_program.put("/api/v1/openai-key", json={"key": ANN}), 403, ONLY_ADMINS)
                assert (await ann.put("/api/v1/me/openai-key", json={"key": ANN})).status_code == 404
                for attempt in (prompted(ann), asked(anns_program), prompted(root)):
                    refused(await attempt, *NOT_SET)
                assert up.calls == 0

                assert (await root.put("/api/v1/openai-key", json={"key": OPERATORS})).status_code == 204
                for client in (ann, root):
                    assert (await client.get("/api/v1/openai-key")).json() == {"configured": True}
                assert text(await prompted(ann)) == "the operator"
                assert text(await asked(anns_program)) == "the operator"
                assert text(await prompted(root)) == "the operator"

                # it is the operator's account `default`; clearing is that account's deletion
                [account] = (await root.get("/api/v1/accounts")).json()["data"]
                assert (account["provider_id"], account["label"], account["configured"]) == ("openai", "default", True)
                assert (await ann.delete(f"/api/v1/accounts/{account['id']}")).status_code == 403
                assert (await root.delete("/api/v1/openai-key")).status_code == 405
                assert (await root.patch(f"/api/v1/accounts/{account['id']}", json={"is_active": False})).status_code == 200
                assert (await ann.get("/api/v1/openai-key")).json() == {"configured": False}
                refused(await asked(anns_program), *NOT_SET)
                assert (await root.delete(f"/api/v1/accounts/{account['id']}")).status_code == 200
                refused(await asked(anns_program), *NOT_SET)

                # the command line fills the same slot
                await door.cli("account", "add", "--provider", "openai", "--label", "default", "--key-stdin", stdin=OPERATORS)
                assert (await ann.get("/api/v1/openai-key")).json() == {"configured": True}
                assert (await root.put("/api/v1/openai-key", json={"key": ANN})).status_code == 204
                assert len((await root.get("/api/v1/accounts")).json()["data"]) == 1
                assert text(await asked(anns_program)) == "Ann"

                # a role that is lost is lost for the key, too: R13 ends the sessions, the next call knows
                demoted = await door.user("deputy@example.com", "--admin")
                async with door.signed_in("deputy@example.com") as deputy:
                    assert (await deputy.put("/api/v1/openai-key", json={"key": OPERATORS})).status_code == 204
                    assert (await root.patch(f"/api/v1/users/{demoted}", json={"role": "user"})).status_code == 200
                    refused(await deputy.put("/api/v1/openai-key", json={"key": ANN}), 401, "Sign in to use this feature")
                async with door.signed_in("deputy@example.com") as deputy:
                    refused(await deputy.put("/api/v1/openai-key", json={"key": ANN}), 403, ONLY_ADMINS)
                assert text(await asked(anns_program)) == "the operator"
        log = door.log.read_text()
    assert not [key for key in KEYS if key in log]
