"""Webhooks: signed, tried again, never through a redirect, and the secret nowhere but in the signature."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from tests.answers import error_answer, json_answer
from tests.scripted import ScriptedUpstream

from doorward.core.clock import SystemClock
from doorward.core.errors import BadRequest
from doorward.core.secret import Secret
from doorward.upstream.transport import HttpTransport
from doorward.upstream.webhooks import TRIES, Webhooks

KEY = "a-shared-secret-of-the-receiver"


def hooks(url: str, transport: HttpTransport, **options: object) -> Webhooks:
    return Webhooks(transport, url, Secret(KEY), SystemClock(), allow_private=True, first_wait_s=0.01, **options)  # type: ignore[arg-type]


async def test_an_event_is_signed_so_that_a_receiver_can_check_it() -> None:
    async with ScriptedUpstream(json_answer({})) as receiver:
        transport = HttpTransport()
        assert await hooks(f"{receiver.base_url}/hook?x=1", transport).send("budget.reached", {"percent": 80})
        await transport.close()
    [asked] = receiver.requests
    assert asked.target == "/hook?x=1"
    stamp = asked.header("x-doorward-timestamp")
    expected = hmac.new(KEY.encode(), f"{stamp}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert asked.header("x-doorward-signature") == f"v1={expected}"
    assert json.loads(asked.body) == {
        "event": "budget.reached",
        "delivery": asked.header("x-doorward-delivery"),
        "data": {"percent": 80},
    }
    assert KEY.encode() not in asked.raw_head + asked.body


async def test_it_is_tried_again_under_one_delivery_id_until_it_is_taken() -> None:
    async with ScriptedUpstream([error_answer(503, None), error_answer(429, None), json_answer({})]) as receiver:
        transport = HttpTransport()
        assert await hooks(receiver.base_url, transport).send("budget.reached", {})
        await transport.close()
    assert len(receiver.requests) == 3
    assert len({asked.header("x-doorward-delivery") for asked in receiver.requests}) == 1


async def test_it_is_given_up() -> None:
    async with ScriptedUpstream(error_answer(500, None)) as dead, ScriptedUpstream(error_answer(404, None)) as gone:
        transport = HttpTransport()
        assert not await hooks(dead.base_url, transport).send("budget.reached", {})
        assert not await hooks(gone.base_url, transport).send("budget.reached", {})
        assert not await hooks("http://127.0.0.1:9/", transport).send("budget.reached", {})
        await transport.close()
    assert len(dead.requests) == TRIES
    assert len(gone.requests) == 1


@pytest.mark.parametrize("url", ["ftp://a/b", "https://user:pass@a/b", "not a url", "https://"])
async def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Webhooks(HttpTransport(), url, Secret(KEY), SystemClock())
    assert "pass" not in refused.value.message.replace("password", "")
    with pytest.raises(BadRequest):
        Webhooks(HttpTransport(), "https://a/b", Secret(""), SystemClock())
