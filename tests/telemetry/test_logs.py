"""A line an event: JSON, with its facts, whatever they hold; and never a key."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from doorward.telemetry.logs import Event, JsonLines, Log, named

KEY = "sk-proj-abcdefghijklmnop1234567890"


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def logger(name: str) -> tuple[Kept, logging.Logger, Log]:
    kept, under = Kept(), logging.getLogger(name)
    under.handlers[:], under.propagate = [kept], False
    under.setLevel(logging.INFO)
    return kept, under, named(name)


def test_an_event_is_one_line_with_its_facts() -> None:
    kept, _, log = logger("tests.facts")
    log.warning("redis_away", cause="TimeoutError", tries=3, verb={"a set"})
    line = json.loads(kept.lines[0])
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "cause": "TimeoutError",
        "tries": 3,
        "verb": "{'a set'}",
        "event": "redis_away",
        "logger": "tests.facts",
        "level": "warning",
    }
    log.debug("not_asked_for")
    assert len(kept.lines) == 1


def test_libraries_lines_have_the_same_shape() -> None:
    kept, under, _ = logger("tests.library")
    under.info("%d of %s", 2, "two\nlines")
    assert "\n" not in kept.lines[0]
    assert json.loads(kept.lines[0])["event"] == "2 of two\nlines"


def test_no_key_leaves_in_a_fact_a_message_or_a_traceback() -> None:
    kept, under, log = logger("tests.keys")
    log.info("slipped", fact=KEY, text="a lone \udc80 half")
    under.info("slipped %s", KEY)
    try:
        raise ValueError(f"Incorrect API key provided: {KEY}")
    except ValueError:
        log.exception("failed")
    assert KEY not in "".join(kept.lines)
    assert KEY[-6:] not in "".join(kept.lines)
    assert "ValueError" in json.loads(kept.lines[-1])["exception"]


def test_in_other_peoples_handlers_an_event_reads_as_a_sentence_of_facts() -> None:
    assert str(Event("redis_away", {"cause": "TimeoutError", "tries": 3})) == "redis_away cause='TimeoutError' tries=3"


def test_at_debug_level_no_statement_leaves_with_its_values(tmp_path: Path) -> None:
    script = (
        "import asyncio, logging\n"
        "from doorward.store.engine import Store\n"
        "from doorward.store.notes import Notes\n"
        "from doorward.telemetry.logs import configure\n"
        "configure('debug')\n"
        "async def main():\n"
        f"    store = await Store.open('sqlite:///{tmp_path}/doorward.db')\n"
        "    await Notes(store).set('name', 'what was said')\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
        "logging.getLogger('doorward.test').debug('a line of ours')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert "a line of ours" in ran.stderr
    assert "what was said" not in ran.stderr
