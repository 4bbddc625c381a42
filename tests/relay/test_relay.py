"""The request path over real sockets: what reaches the upstream, what comes back, and what an end means."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib

import pytest
from tests.answers import (
    Answer,
    Close,
    Never,
    Reset,
    Sleep,
    chat_answer,
    chat_stream,
    chunk,
    error_answer,
    head,
    json_answer,
    sse_answer,
)
from tests.house import CANARY
from tests.relay.conftest import HELLO, Door

from doorward.core.secret import Secret


async def test_bytes_go_on_as_they_came_and_come_back_as_they_were(door: Door) -> None:
    odd = b'{ "model" : "m1",\n "messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}], "zeta": 1.50e0, "alpha":{"model":"x"} }'
    answer = b'{ "id":"x",  "unknown": [1,2 ,3], "choices":[] }'
    door.up.script = Answer((head(200, {"content-type": "application/json", "content-length": str(len(answer))}) + answer,))
    reply = await door.client.post("/v1/chat/completions", content=odd, headers={"content-type": "application/json"})
    assert reply.content == answer
    assert door.up.requests[0].body == odd
    assert door.up.requests[0].target == "/v1/chat/completions"


async def test_the_clients_credentials_stay_here_and_the_accounts_go_there(door: Door) -> None:
    headers = {
        "openai-organization": "org-client",
        "openai-project": "proj-client",
        "openai-beta": "assistants=v2",
        "cookie": "a=b",
        "x-forwarded-for": "1.2.3.4",
    }
    reply = await door.client.post("/v1/chat/completions", json=HELLO, headers=headers)
    sent = door.up.requests[0]
    assert sent.header("authorization") == f"Bearer {CANARY}"
    assert sent.header("openai-beta") == "assistants=v2"
    for name in ("openai-organization", "openai-project", "cookie", "x-forwarded-for", "x-api-key"):
        assert sent.header(name) is None, name
    assert door.key not in sent.raw_head.decode("latin-1")
    assert reply.headers["x-request-id"] == sent.header("x-request-id")


async def test_model_names_are_swapped_in_place(door: Door) -> None:
    body = b'{"messages":[],"model":"scripted/m1","x":{"model":"keep"}}'
    await door.client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert door.up.requests[0].body == b'{"messages":[],"model":"m1","x":{"model":"keep"}}'


async def test_a_stream_arrives_event_by_event(door: Door) -> None:
    door.up.script = chat_stream(["one ", "two ", "three"], pause_s=0.15)
    seen: list[float] = []
    async with door.client.stream("POST", "/v1/chat/completions", json={**HELLO, "stream": True}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        text = b""
        async for piece in reply.aiter_raw():
            seen.append(time.monotonic())
            text += piece
    assert text.endswith(b"data: [DONE]\n\n")
    assert seen[-1] - seen[0] > 0.3, "the events were gathered"
    sent = door.up.requests[0].json
    assert sent["stream_options"] == {"include_usage": True}, "streams are asked for usage"
    assert b'"usage":{' not in text.replace(b" ", b""), "the client did not ask for the usage chunk"


async def test_a_client_that_asks_for_usage_gets_it(door: Door) -> None:
    door.up.script = chat_stream(["one"])
    reply = await door.chat(stream=True, stream_options={"include_usage": True})
    assert b'"usage":{' in reply.content.replace(b" ", b"")


async def test_a_stream_cut_midway_ends_in_an_error_event_and_no_done(door: Door) -> None:
    whole = chat_stream(["one ", "two ", "three"])
    door.up.script = Answer((*whole.steps[:3], Reset()))
    reply = await door.chat(stream=True)
    events = [line for line in reply.text.split("\n\n") if line]
    error = json.loads(events[-1].removeprefix("data: "))["error"]
    assert error["code"] == "upstream_lost"
    assert "[DONE]" not in reply.text


async def test_a_complete_stream_without_done_gets_it(door: Door) -> None:
    door.up.script = chat_stream(["one"], done=False)
    reply = await door.chat(stream=True)
    assert reply.text.endswith("data: [DONE]\n\n")
    assert "error" not in reply.text


async def test_an_answer_that_breaks_off_is_a_502_and_not_half_a_body(door: Door) -> None:
    door.up.script = Answer((head(200, {"content-type": "application/json", "content-length": "500"}) + b'{"id":', Close()))
    reply = await door.chat()
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_lost")
    assert reply.headers["x-should-retry"] == "false"
    assert door.up.calls == 1


async def test_sent_and_silent_is_a_504_and_is_not_sent_again(tmp_path, up) -> None:  # type: ignore[no-untyped-def]
    import httpx2
    from tests.house import house

    up.script = Answer((Never(),))
    async with house(tmp_path, first_event_whole_s=0.4, first_event_streamed_s=0.4) as home:
        await home.provider("scripted", up.base_url, "m*")
        for label in ("one", "two"):
            await home.account("scripted", label=label)
        headers = {"authorization": f"Bearer {await home.key()}"}
        async with httpx2.AsyncClient(base_url=home.url, headers=headers, timeout=20) as client:
            for stream in (False, True):
                reply = await client.post("/v1/chat/completions", json={**HELLO, "stream": stream})
                assert (reply.status_code, reply.json()["error"]["code"]) == (504, "upstream_silent")
                assert reply.headers["x-should-retry"] == "false"
    assert up.calls == 2


async def test_a_refused_connection_tries_the_next_account_and_says_so(door: Door) -> None:
    door.up.stop_listening()
    reply = await door.chat()
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_failed")
    assert CANARY not in reply.text


async def test_another_account_answers_when_one_is_refused_whole(door: Door) -> None:
    await door.house.account("scripted", key="sk-other-account-0123456789abcdef", label="second")
    door.up.script = [error_answer(500, None), chat_answer()]
    reply = await door.chat()
    assert reply.status_code == 200
    assert {request.header("authorization") for request in door.up.requests} == {
        f"Bearer {CANARY}",
        "Bearer sk-other-account-0123456789abcdef",
    }


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_the_callers_faults_pass_through(door: Door, status: int) -> None:
    door.up.script = error_answer(status, "some_code", "what is wrong")
    reply = await door.chat()
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == "some_code"
    assert reply.headers["x-should-retry"] == "false"
    assert door.up.calls == 1


async def test_the_operators_key_refused_is_a_502_that_shows_nothing(door: Door) -> None:
    door.up.script = error_answer(401, "invalid_api_key", f"Incorrect API key provided: {CANARY}.")
    reply = await door.chat()
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_credentials_refused")
    assert "canary" not in reply.text


async def test_a_refused_key_is_not_tried_again_until_it_is_set_anew(door: Door) -> None:
    door.up.script = error_answer(401, "invalid_api_key", "Incorrect API key provided.")
    for _ in range(3):
        reply = await door.chat()
        assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_credentials_refused")
    assert door.up.calls == 1
    account = door.house.app.ground.catalogue.now().usable_accounts("scripted", frozenset({"operator"}))[0]
    door.up.script = chat_answer()
    await door.house.custodian.replace_key(account.id, Secret("sk-another-key-0123456789abcdef"))
    await door.house.app.ground.catalogue.refresh()
    await asyncio.sleep(0.3)
    assert (await door.chat()).status_code == 200


async def test_an_error_that_quotes_the_key_is_scrubbed(door: Door) -> None:
    door.up.script = error_answer(400, "bad", f"Your key {CANARY} may not do this", {"x-ratelimit-note": CANARY})
    reply = await door.chat()
    assert reply.status_code == 400
    assert CANARY not in reply.text + str(reply.headers)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_compressed_error_is_looked_through(door: Door, encoding: str) -> None:
    said = json.dumps({"error": {"message": f"Your key {CANARY} may not do this", "code": "bad"}}).encode()
    body = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes}[encoding](said)
    about = {"content-type": "application/json", "content-encoding": encoding, "content-length": str(len(body))}
    door.up.script = Answer((head(400, about) + body,))
    reply = await door.chat()
    assert reply.status_code == 400
    assert "content-encoding" not in reply.headers
    assert CANARY not in reply.text
    assert ("left out" if encoding == "br" else "may not do this") in reply.text


async def test_a_compressed_answer_is_read_and_metered(door: Door) -> None:
    door.up.script = chat_answer()
    plain = (await door.chat()).json()
    body = gzip.compress(json.dumps(plain).encode())
    about = {"content-type": "application/json", "content-encoding": "gzip", "content-length": str(len(body))}
    door.up.script = Answer((head(200, about) + body,))
    reply = await door.chat()
    assert "content-encoding" not in reply.headers
    assert reply.json() == plain
    bomb = gzip.compress(bytes(64 * 2**20))
    door.up.script = Answer((head(200, about | {"content-length": str(len(bomb))}) + bomb,))
    async with door.client.stream("POST", "/v1/chat/completions", json={"model": "m1", "messages": []}) as passed:
        assert passed.headers["content-encoding"] == "gzip"
        assert b"".join([piece async for piece in passed.aiter_raw()]) == bomb


async def test_redirects_are_not_followed(door: Door) -> None:
    door.up.script = Answer((head(302, {"location": door.up.base_url + "/elsewhere", "content-length": "0"}),))
    reply = await door.chat()
    assert door.up.calls == 1
    assert reply.status_code == 302
    assert "location" not in reply.headers


async def test_binary_answers_pass_untouched(door: Door) -> None:
    sound = bytes(range(256)) * 400
    door.up.script = Answer((head(200, {"content-type": "audio/mpeg", "content-length": str(len(sound))}) + sound,))
    reply = await door.client.post("/v1/audio/speech", json={"model": "m1", "input": "hi", "voice": "alloy"})
    assert reply.content == sound
    assert reply.headers["content-length"] == str(len(sound))


async def test_multipart_reaches_the_upstream_byte_for_byte(door: Door) -> None:
    door.up.script = json_answer({"text": "hello"})
    files = {"file": ("a.wav", b"RIFF" + bytes(3_000_000), "audio/wav"), "model": (None, "m1")}
    reply = await door.client.post("/v1/audio/transcriptions", files=files)
    assert reply.json() == {"text": "hello"}
    sent = door.up.requests[0]
    assert len(sent.body) > 3_000_000, "a spooled body arrives whole"
    assert sent.body.startswith(b"--")
    assert not list(door.house.data_dir.glob("spool/*")), "spooled bodies have no name"


async def test_a_client_that_leaves_stops_the_upstream(door: Door) -> None:
    """I6 on both kinds of answer; the full counts are in tests/laws."""
    for stream in (False, True):
        door.up.script = chat_stream(["a"] * 50, pause_s=0.1) if stream else Answer((Sleep(30),))
        calls = door.up.calls
        leavers = sum(c.left_s is not None for c in door.up.connections)
        call = asyncio.create_task(door.chat(stream=stream))
        await door.up.wait_for_calls(calls + 1)
        await asyncio.sleep(0.15)
        gone = time.monotonic()
        call.cancel()
        await door.up.wait_for_leavers(leavers + 1)
        assert max(c.left_s for c in door.up.connections if c.left_s) - gone < 1.0


async def test_files_belong_to_their_owner(door: Door) -> None:
    stored = {"id": "file-abc", "object": "file", "purpose": "assistants", "created_at": 5, "bytes": 1, "extra": {"kept": True}}
    foreign = {"id": "file-foreign", "object": "file", "purpose": "assistants", "created_at": 9, "bytes": 1}

    def answer(request):  # type: ignore[no-untyped-def]
        if request.method == "POST":
            return json_answer(stored)
        if request.method == "DELETE":
            return json_answer({"id": "file-abc", "deleted": True})
        if request.target.startswith("/v1/files?"):
            return json_answer({"object": "list", "data": [stored, foreign], "has_more": False})
        return json_answer(stored)

    door.up.script = answer
    headers = {"x-doorward-provider": "scripted"}
    made = await door.client.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "assistants"}, headers=headers)
    assert made.json()["id"] == "file-abc"
    assert (await door.client.get("/v1/files")).json()["data"] == [stored]
    other = {"authorization": f"Bearer {await door.house.key(label='other')}"}
    for method, path in (("GET", "/v1/files/file-abc"), ("DELETE", "/v1/files/file-abc"), ("GET", "/v1/files/file-abc/content")):
        refused = await door.client.request(method, path, headers=other)
        assert refused.status_code == 404, (method, path)
    assert (await door.client.get("/v1/files", headers=other)).json()["data"] == []
    assert (await door.client.get("/v1/files/file-foreign")).status_code == 404
    assert (await door.client.delete("/v1/files/file-abc")).status_code == 200
    assert (await door.client.get("/v1/files/file-abc")).status_code == 404


async def test_a_streamed_response_is_bound_before_it_is_seen(door: Door) -> None:
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    done = {"type": "response.completed", "response": {"id": "resp_1", "usage": {"input_tokens": 1, "output_tokens": 1}}}
    door.up.script = sse_answer([created, done], done=False)
    reply = await door.client.post("/v1/responses", json={"model": "m1", "input": "hi", "stream": True})
    assert "error" not in reply.text
    door.up.script = json_answer({"id": "resp_1"})
    assert (await door.client.get("/v1/responses/resp_1")).status_code == 200
    other = {"authorization": f"Bearer {await door.house.key(label='other')}"}
    assert (await door.client.get("/v1/responses/resp_1", headers=other)).status_code == 404
    body = {"model": "m1", "input": "x", "previous_response_id": "resp_1"}
    calls = door.up.calls
    assert (await door.client.post("/v1/responses", json=body, headers=other)).status_code == 404
    assert door.up.calls == calls


async def test_endpoints_whose_objects_are_not_covered_are_for_admins(door: Door) -> None:
    refused = await door.client.get("/v1/batches")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_available_yet")
    admin = {"authorization": f"Bearer {await door.house.key(scopes=('call', 'me', 'admin'))}", "x-doorward-provider": "scripted"}
    door.up.script = json_answer({"object": "list", "data": []})
    assert (await door.client.get("/v1/batches", headers=admin)).status_code == 200
    assert (await door.client.get("/v1/organization/usage", headers=admin)).status_code == 404


async def test_limits_on_a_key(door: Door) -> None:
    from doorward.core.caller import KeyLimits

    key = await door.house.key(label="limited", limits=KeyLimits(rpm=2))
    headers = {"authorization": f"Bearer {key}"}
    replies = [await door.client.post("/v1/chat/completions", json=HELLO, headers=headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["x-ratelimit-remaining-requests"] == "1"
    assert replies[2].json()["error"]["code"] == "rate_limit_exceeded"
    assert int(replies[2].headers["retry-after"]) <= 30
    assert "x-should-retry" not in replies[2].headers


async def test_chunks_of_the_transport_are_not_events(door: Door) -> None:
    """An event cut by the upstream's own packets is put together; two in one packet stay two."""
    first, second = (
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    )
    raw = head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
    door.up.script = Answer((raw + chunk(first[:10]), Sleep(0.05), chunk(first[10:] + second) + chunk(b"")))
    reply = await door.chat(stream=True)
    assert reply.content == first + second
