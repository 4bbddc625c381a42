"""What a command changes and the audit row of it are one transaction: both stand, or neither."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tests.cli.conftest import Doorward
from tests.house import CANARY

ADD = ("account", "add", "--provider", "openai", "--label", "main", "--key-stdin")


def rows(doorward: Doorward) -> list[tuple[str, str]]:
    """Action and target, the oldest first."""
    return [(row["action"], row["target"]) for row in reversed(doorward("audit", "list", "--json").json["data"])]


def test_each_thing_that_a_command_changes_has_its_row(doorward: Doorward) -> None:
    account = doorward("account", "add", "--provider", "openai", "--label", "main", "--key-stdin", "--json", stdin=CANARY).json[
        "id"
    ]
    first = doorward("key", "create", "--label", "first", "--json").json["id"]
    second = doorward("key", "rotate", first, "--json").json["id"]
    doorward("key", "list")
    doorward("provider", "add", "near", "--base-url", "https://api.example.com")
    doorward("route", "set", "gpt-4o", "--fallback", "gpt-4o-mini", "--force")
    doorward("model", "alias", "fast", "gpt-4o", "--force")
    doorward("limit", "set", f"account:{account}", "--rpm", "5")
    doorward("budget", "set", "all", "--usd", "5")
    doorward("price", "set", "mine", "--unit", "input_mtok", "--usd", "1")
    doorward("key", "purge", first, second, "--yes")
    doorward("key", "purge", "--revoked", "--yes")
    doorward("route", "remove", "gpt-4o")
    doorward("route", "remove", "gpt-4o")
    assert rows(doorward) == [
        ("account.add", f"account:{account}"),
        ("key.create", f"key:{first}"),
        ("key.rotate", f"key:{first}"),
        ("key.rotate", f"key:{second}"),
        ("provider.add", "provider:near"),
        ("route.set", "route:gpt-4o"),
        ("model.alias", "model:fast"),
        ("limit.set", f"account:{account}"),
        ("budget.set", "all"),
        ("price.set", "price:openai/mine"),
        ("key.purge", f"key:{first}"),
        ("key.purge", f"key:{second}"),
        ("route.remove", "route:gpt-4o"),
    ]
    assert doorward("audit", "verify").code == 0


def test_a_change_whose_row_cannot_be_written_is_not_made(doorward: Doorward, data_dir: Path) -> None:
    kept = doorward("key", "create", "--label", "kept", "--json").json["id"]
    with contextlib.closing(sqlite3.connect(data_dir / "doorward.db")) as database:
        database.execute("CREATE TRIGGER no_room BEFORE INSERT ON audit_rows BEGIN SELECT RAISE(ABORT, 'no room'); END")
        database.commit()
    assert doorward(*ADD, stdin=CANARY).code != 0
    assert doorward("key", "create", "--label", "second").code != 0
    assert doorward("key", "revoke", kept).code != 0
    assert doorward("provider", "add", "near", "--base-url", "https://api.example.com").code != 0
    assert doorward("budget", "set", "all", "--usd", "5").code != 0
    assert doorward("account", "list", "--json").json == {"data": []}
    assert [(key["id"], key["state"]) for key in doorward("key", "list", "--json").json["data"]] == [(kept, "active")]
    assert "near" not in doorward("provider", "list").out
    assert doorward("budget", "list", "--json").json == {"data": []}
