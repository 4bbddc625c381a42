"""Users, their keys and the audit chain from the command line, straight on the database."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

from tests.cli.conftest import Doorward
from tests.house import CANARY

PASSWORD = "correct horse battery"


def add(doorward: Doorward, email: str, *options: str) -> dict[str, object]:
    return doorward("user", "add", email, "--password-stdin", "--json", *options, stdin=PASSWORD).json


def test_a_user_lives_a_life(doorward: Doorward, data_dir: Path) -> None:
    root = add(doorward, "Root@Example.com", "--admin")
    assert (root["email"], root["role"]) == ("root@example.com", "admin")
    assert str(root["id"]).startswith("user_")
    ann = add(doorward, "ann@example.com")
    assert ann["role"] == "user"
    doorward("user", "add", "ANN@example.com", "--password-stdin", stdin=PASSWORD).fails(1, "already")
    doorward("user", "add", "x@example.com", "--password-stdin", stdin="short").fails(2, "too short")
    doorward("user", "add", "no address", "--password-stdin", stdin=PASSWORD).fails(2, "e-mail")
    doorward("user", "role", "ann@example.com", "owner").fails(2, "admin or user")
    assert doorward("user", "role", "ann@example.com", "admin", "--json").json["role"] == "admin"
    assert doorward("user", "role", "root@example.com", "user", "--json").json["role"] == "user"
    for verb in (
        ("role", "ann@example.com", "user"),
        ("remove", "ann@example.com", "--yes"),
        ("erase", "ann@example.com", "--yes"),
    ):
        doorward("user", *verb).fails(1, "last admin")
    assert doorward("user", "remove", "root@example.com", "--yes").code == 0
    doorward("user", "remove", "root@example.com", "--yes").fails(1, "no such user")
    assert [row["email"] for row in doorward("user", "list", "--json").json["data"]] == ["ann@example.com"]
    raw = b"".join(path.read_bytes() for path in data_dir.iterdir() if path.is_file())
    assert PASSWORD.encode() not in raw


def test_a_users_key_has_no_more_than_its_owner(doorward: Doorward) -> None:
    add(doorward, "ann@example.com")
    made = doorward("key", "create", "--label", "laptop", "--owner", "Ann@example.com", "--scope", "call,me", "--json").json
    assert made["key"].startswith("dw-")
    doorward("key", "create", "--label", "x", "--owner", "ann@example.com", "--admin").fails(4, "exceed")
    doorward("key", "create", "--label", "x", "--owner", "bob@example.com").fails(1, "no such user")
    doorward("key", "create", "--label", "x", "--owner", "ann@example.com", "--share-as", "ci").fails(2, "together")


def test_an_invitation_is_a_link_with_a_fragment(doorward: Doorward) -> None:
    made = doorward("user", "invite", "bob@example.com", "--json", DOORWARD_PUBLIC_URL="https://door.example.com").json
    assert made["link"].startswith("https://door.example.com/invitation#")


def test_export_and_erase(doorward: Doorward, tmp_path: Path) -> None:
    add(doorward, "root@example.com", "--admin")
    add(doorward, "ann@example.com")
    doorward("key", "create", "--label", "laptop", "--owner", "ann@example.com")
    assert doorward("user", "export", "ann@example.com", "--file", "ann.json").code == 0
    file = tmp_path / "ann.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = json.loads(file.read_text())
    assert shown["client_keys"][0]["label"] == "laptop"
    assert "digest" not in shown["client_keys"][0]
    doorward("user", "erase", "ann@example.com").fails(2, "--yes")
    assert doorward("user", "erase", "ann@example.com", "--yes", "--json").json["rows"]["client_keys"] == 1
    assert doorward("key", "list", "--json").json["data"] == []
    assert doorward("audit", "verify").code == 0
    assert "ann@example.com" not in doorward("audit", "list").out


def test_the_chain_holds_every_change_and_shows_tampering(doorward: Doorward, data_dir: Path) -> None:
    add(doorward, "root@example.com", "--admin")
    account = doorward("account", "add", "--provider", "openai", "--label", "main", "--key-stdin", "--json", stdin=CANARY).json
    key = doorward("key", "create", "--label", "first", "--json").json
    doorward("key", "revoke", key["id"])
    rows = doorward("audit", "list", "--json").json["data"]
    assert [(row["action"], row["target"]) for row in reversed(rows)] == [
        ("user.add", "root@example.com"),
        ("account.add", f"account:{account['id']}"),
        ("key.create", f"key:{key['id']}"),
        ("key.revoke", f"key:{key['id']}"),
    ]
    assert CANARY not in str(rows)
    assert key["key"] not in str(rows)
    head = doorward("audit", "verify", "--json").json["head"]
    assert doorward("audit", "verify", "--head", head).code == 0
    assert doorward("audit", "verify", "--head", "f" * 64).code == 1
    with sqlite3.connect(data_dir / "doorward.db") as database:
        database.execute("UPDATE audit_rows SET target = 'key:other' WHERE number = 3")
    database.close()
    broken = doorward("audit", "verify", "--json")
    assert broken.code == 1
    assert (broken.json["ok"], broken.json["broken_at"]) == (False, 3)
