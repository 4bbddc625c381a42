"""What counting needs is loaded beside the loop."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.apps.desk import desk

from doorward.providers import encodings


async def test_a_first_chat_loads_its_encoding_beside_everybodys_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "_loaded", {})
    loaders: list[str] = []
    load = encodings.load

    def watched(name: str) -> object:
        if not encodings.is_loaded(name):
            loaders.append(threading.current_thread().name)
        return load(name)

    monkeypatch.setattr(encodings, "load", watched)
    async with desk(tmp_path) as here:
        assert (await here.ask("POST", "/apps/chat", {"message": "Hello"}))["message"]
    assert loaders
    assert threading.main_thread().name not in loaders
