"""`doorward curl` beside the real curl: the same flags put the same request on the wire."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.answers import Answer, Never, Sleep, head, json_answer
from tests.cli.conftest import Doorward
from tests.conftest import required
from tests.scripted import Request, ScriptedUpstream

KEY = "dw-aaaabbbbccccdddd-notarealone"
SAME = [
    "",
    "-d a=1 -d b=2",
    "-d @lines.txt",
    "-d @lines.txt -d x --data-raw @not-a-file",
    "--data-binary @body.bin",
    "-d ''",
    "-X PUT -d '{}' -H 'Content-Type: application/json'",
    "-H 'Accept: a/b' -H 'Accept: c/d'",
    "-H Accept:",
    "-H X-Empty;",
    "-H X-Left-Out:",
    "-H 'User-Agent: me/1'",
    "-A agent/1",
    "-G -d a=1 -d b=x",
    "-G -d z=1 --data-urlencode 'q=two words&more'",
    "--data-urlencode 'ä é' --data-urlencode =a=b --data-urlencode n@body.bin",
    "-F a=1 -F f=@body.bin -F 't=<note.txt' -F 'j=@note.txt;type=application/json;filename=x.json'",
    "-I",
    "-X DELETE",
    "-sSN -d @-",
    "-fsS",
]


def sent(request: Request) -> tuple[Any, ...]:
    """What of a request must be the same. Boundaries are drawn by lot; curl's own name is its own."""
    boundary = re.search(r"boundary=(\S+)", request.header("content-type") or "")
    lot = boundary[1] if boundary else "\0"
    left = ("host", "accept-encoding")
    headers = sorted((name.lower(), value.replace(lot, "LOT")) for name, value in request.headers if name.lower() not in left)
    headers = [item for item in headers if item[0] != "content-length" or not boundary]
    headers = [("user-agent", "*") if re.match(r"(?:curl|doorward)/", item[1]) else item for item in headers]
    body = request.body.replace(lot.encode(), b"LOT")
    if boundary:
        body = re.sub(rb"content-(?:disposition|type)", lambda found: found[0].lower(), body, flags=re.IGNORECASE)
    return request.method, request.target, headers, body


@pytest.mark.parametrize("flags", SAME)
async def test_the_same_flags_send_the_same(tmp_path: Path, doorward: Doorward, flags: str) -> None:
    if shutil.which("curl") is None:
        required("curl")
    (tmp_path / "body.bin").write_bytes(b"line1\r\nline2\n\0z\xff")
    (tmp_path / "lines.txt").write_bytes(b"line1\r\nline2\n\xff\n")
    (tmp_path / "note.txt").write_text("a note\n")
    words = shlex.split(flags)
    async with ScriptedUpstream(json_answer({"ok": True})) as up:
        real = ["curl", "-s", "-q", "--max-time", "10", *words, "-H", f"Authorization: Bearer {KEY}", f"{up.base_url}/v1/x?y=1"]
        run = {"input": b"from stdin", "cwd": tmp_path, "capture_output": True, "check": True}
        theirs = await asyncio.to_thread(lambda: subprocess.run(real, **run))  # type: ignore[call-overload]
        place = {"DOORWARD_URL": up.base_url, "DOORWARD_KEY": KEY}
        ours = await asyncio.to_thread(lambda: doorward("curl", *words, "/v1/x?y=1", stdin="from stdin", **place))
        assert ours.code == 0, ours.err
        first, second = up.requests
    assert sent(second) == sent(first)
    assert ("HTTP/1.1 200" in ours.out) == (b"HTTP/1.1 200" in theirs.stdout)


async def test_what_is_json_is_called_so(doorward: Doorward) -> None:
    """The one difference: curl would call it a form."""
    async with ScriptedUpstream(json_answer({})) as up:
        await asyncio.to_thread(lambda: doorward("curl", "/v1/x", "-d", ' {"a": 1}', DOORWARD_URL=up.base_url, DOORWARD_KEY=KEY))
        assert up.requests[0].header("content-type") == "application/json"


async def test_what_is_printed(tmp_path: Path, doorward: Doorward) -> None:
    answer = Answer((head(404, {"x-twice": "1", "content-length": "3"}).replace(b"\r\n\r\n", b"\r\nx-twice: 2\r\n\r\n"), b"no\n"))
    async with ScriptedUpstream(answer) as up:

        def run(*words: str) -> Any:
            return doorward("curl", "/v1/x", *words, DOORWARD_URL=up.base_url, DOORWARD_KEY=KEY)

        told = await asyncio.to_thread(run, "-i", "-v")
        assert told.out.startswith("HTTP/1.1 404 ")
        assert "x-twice: 1\r\n" in told.out
        assert "x-twice: 2\r\n" in told.out
        assert "> GET /v1/x HTTP/1.1\n" in told.err
        assert "< x-twice: 2\n" in told.err
        assert KEY not in told.err
        file = tmp_path / "out"
        quiet = await asyncio.to_thread(run, "-s", "-o", str(file), "-w", "%{http_code} %{size_download}\\n")
        assert (quiet.out, quiet.err, file.read_bytes()) == ("404 3\n", "", b"no\n")
        (await asyncio.to_thread(run, "-o", str(tmp_path / "no" / "where"))).fails(2, "cannot be written")
        (await asyncio.to_thread(run, "-F", "nothing")).fails(2, "-F is not a field")
        (await asyncio.to_thread(run, "-F", "a=b", "-d", "c")).fails(2, "do not go together")
        (await asyncio.to_thread(run, "-d", "@nowhere")).fails(2, "cannot be read")


async def test_a_call_ends_with_its_time(doorward: Doorward) -> None:
    """Also where each piece comes soon enough."""
    drip = Answer((head(200, {}), *(step for _ in range(40) for step in (b"x", Sleep(0.1))), Never()))
    async with ScriptedUpstream(drip) as up:
        place = {"DOORWARD_URL": up.base_url, "DOORWARD_KEY": KEY}
        began = asyncio.get_running_loop().time()
        ran = await asyncio.to_thread(lambda: doorward("curl", "/v1/x", "-m", "0.7", **place))
        assert asyncio.get_running_loop().time() - began < 3
        assert ran.code == 1
        assert 0 < len(ran.out) < 20
        assert "took too long" in ran.err
