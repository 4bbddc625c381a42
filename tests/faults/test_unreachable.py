"""Upstreams that cannot be reached, or are not who they say: nothing is sent, so the next is asked; the key never leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.answers import Close, Reset, Sleep
from tests.faults.stage import Stage, stage, well
from tests.faults.table import Row, record
from tests.house import CANARY
from tests.scripted import ScriptedUpstream, authority

KINDS = ("DNS failure", "connection refused", "wrong certificate", "expired certificate", "cut handshake", "reset handshake")


@pytest.mark.parametrize("fallback", [True, False], ids=["fallback", "alone"])
@pytest.mark.parametrize("kind", KINDS)
async def test_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fallback: bool) -> None:
    trusted = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    names = ("elsewhere.example",) if kind == "wrong certificate" else ("127.0.0.1",)
    at_connect = {"cut handshake": (Sleep(0.05), Close()), "reset handshake": (Sleep(0.05), Reset())}.get(kind, ())
    bad = ScriptedUpstream(
        well, tls="certificate" in kind, names=names, expired=kind == "expired certificate", at_connect=at_connect
    )
    async with bad, stage(tmp_path, well, rescue=False, fallback=fallback, match="bad-1") as on:
        await prepare(on, bad, kind)
        caller = await on.chat(stream=False, model="bad-1")
        if fallback:
            assert caller.is_whole, caller.raw
            assert caller.models == {"fallback-1"}
        else:
            assert (caller.status, caller.code) == (502, "upstream_failed"), caller.raw
            assert caller.headers["x-should-retry"] == "false"
            assert "Nothing was sent" in caller.raw
        assert CANARY not in caller.raw
        assert bad.calls == 0
    outcome = "whole answer" if fallback else "error upstream_failed"
    record(Row(f"{kind}{', with a fallback' if fallback else ', alone'}", False, 1, outcome, f"0 + {int(fallback)}"))


async def test_an_address_that_is_not_allowed_is_asked_for_once(tmp_path: Path) -> None:
    """It would be refused again: the client need not wait for that."""
    async with stage(tmp_path, well, rescue=False, fallback=False) as on:
        await on.house.provider("bad", "http://169.254.169.254", "bad-*", prices="free")
        await on.house.account("bad")
        caller = await on.chat(stream=False, model="bad-1")
        assert (caller.status, caller.code) == (502, "upstream_failed"), caller.raw
        assert "which is never allowed" in caller.raw
        assert [row.attempts for row in await on.house.rows(1)] == [1]


async def prepare(on: Stage, bad: ScriptedUpstream, kind: str) -> None:
    url = bad.base_url.replace("http://", "https://") if "handshake" in kind else bad.base_url
    if kind == "DNS failure":
        url = "http://nowhere.invalid"
    if kind == "connection refused":
        bad.stop_listening()
    await on.house.provider("bad", url, "bad-*", prices="free")
    await on.house.account("bad")
