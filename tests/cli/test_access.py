"""Providers, accounts and keys from the command line, straight on the database."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.cli.conftest import Doorward
from tests.house import CANARY

R16 = (
    "INSERT INTO providers (id, name, base_url, auth_type, auth_strategy, supported_models, is_active) VALUES "
    "('openai2', 'OpenAI', 'https://api.openai.com', 'api_key', 'api_key', '[\"gpt-4\", \"gpt-3.5-turbo\"]', true)"
)


def test_a_row_inserted_by_hand_is_a_provider(doorward: Doorward, data_dir: Path) -> None:
    assert doorward("migrate").code == 0
    with sqlite3.connect(data_dir / "doorward.db") as database:
        database.execute(R16)
    database.close()
    rows = {row["id"]: row for row in doorward("provider", "list", "--json").json["data"]}
    assert rows["openai2"]["supported_models"] == ["gpt-4", "gpt-3.5-turbo"]
    assert rows["openai2"]["is_active"] is True


def test_a_provider_lives_its_life(doorward: Doorward) -> None:
    added = doorward("provider", "add", "fake", "--base-url", "https://api.example.com/v1", "--models", "gpt-, o3", "--json").json
    assert added["id"] == "fake"
    assert added["supported_models"] == ["gpt-*", "o3*"]
    assert added["base_url"] == "https://api.example.com"
    doorward("provider", "add", "fake", "--base-url", "https://api.example.com").fails(1, "already")
    doorward("provider", "add", "near", "--base-url", "http://127.0.0.1:9100").fails(2, "--allow-private")
    assert doorward("provider", "set", "fake", "--models", "x", "--inactive", "--json").json["is_active"] is False
    plain = doorward("provider", "list")
    assert ["fake", "https://api.example.com", "api_key", "x*", "inactive"] in [line.split("\t") for line in plain.out.splitlines()]
    assert doorward("provider", "remove", "fake").code == 0
    doorward("provider", "remove", "fake").fails(1, "no provider")


def test_an_account_lives_its_life(doorward: Doorward, data_dir: Path) -> None:
    words = ("account", "add", "--provider", "openai", "--label", "main", "--key-stdin", "--weight", "2", "--json")
    made = doorward(*words, stdin=f"  {CANARY}\n").json
    account = made["id"]
    assert (made["configured"], made["weight"], made["provider_id"]) == (True, 2, "openai")
    assert not {"key", "auth_data", "api_key"} & set(made)
    assert doorward(*words, stdin=CANARY).error["code"] == "conflict"
    assert doorward("account", "deactivate", account, "--json").json["is_active"] is False
    assert doorward("account", "list").out.split("\t")[4] == "inactive"
    assert doorward("account", "activate", account, "--json").json["is_active"] is True
    later = doorward("account", "set", account, "--key-stdin", "--json", stdin=CANARY + "2").json
    assert later["key_set_at"] > made["key_set_at"]
    doorward("provider", "remove", "openai").fails(1, "accounts")
    doorward("account", "remove", account).fails(2, "--yes")
    assert doorward("account", "remove", account, "--yes").code == 0
    assert doorward("account", "list", "--json").json == {"data": []}
    assert CANARY.encode() not in b"".join(file.read_bytes() for file in data_dir.rglob("*") if file.is_file())


def test_a_purge_takes_all_or_none(doorward: Doorward) -> None:
    for label in ("one", "two"):
        doorward("account", "add", "--provider", "openai", "--label", label, "--key-stdin", stdin=CANARY)
    ids = [row["id"] for row in doorward("account", "list", "--json").json["data"]]
    doorward("account", "purge", ids[0], "acc_nobody", "--yes").fails(1, "no such account")
    assert len(doorward("account", "list", "--json").json["data"]) == 2
    doorward("account", "purge", "--all").fails(2, "--yes")
    assert doorward("account", "purge", "--all", "--yes", "--json").json == {"purged": ids}
    assert doorward("account", "list", "--json").json == {"data": []}


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "empty"),
        ("not-openais-9f3k2", "sk-"),
        ("sk-two\nlines-9f3k2", "line break"),
        ("sk-" + "a" * 10_000, "4096"),
        ("sk-" + "a" * 20_000, "too long"),
    ],
)
def test_a_wrong_key_is_refused_and_not_repeated(doorward: Doorward, key: str, says: str) -> None:
    ran = doorward("account", "add", "--provider", "openai", "--label", "m", "--key-stdin", stdin=key)
    ran.fails(2, says)
    assert "9f3k2" not in ran.err
    assert "aaaa" not in ran.err


def test_a_key_is_never_taken_as_an_argument(doorward: Doorward) -> None:
    for words in (("--key", CANARY), (CANARY,), (f"--key={CANARY}",), (f"-{CANARY}",)):
        ran = doorward("account", "add", "--provider", "openai", "--label", "m", *words)
        ran.fails(2)
    ran = doorward("account", "add", "--provider", "openai", "--label", "m")
    ran.fails(2, "--key-stdin")


def test_a_client_key_lives_its_life(doorward: Doorward, data_dir: Path) -> None:
    made = doorward("key", "create", "--label", "first", "--models", "sim-*,gpt-4o", "--expires", "30d", "--json").json
    assert made["key"].startswith(f"dw-{made['id']}-")
    assert (made["scopes"], made["models"], made["state"]) == (["call"], ["sim-*", "gpt-4o"], "active")
    assert 29 * 86400 < made["expires_at"] - made["created_at"] < 31 * 86400
    admin = doorward("key", "create", "--label", "boss", "--admin", "--json").json
    assert admin["scopes"] == ["call", "me", "admin"]
    successor = doorward("key", "rotate", made["id"], "--overlap", "24h", "--json").json
    assert successor["rotated_from"] == made["id"]
    assert successor["models"] == made["models"]
    listed = doorward("key", "list", "--json")
    assert [row["state"] for row in listed.json["data"]] == ["active"] * 3
    assert made["key"] not in listed.out
    assert doorward("key", "revoke", made["id"], "--json").json["state"] == "revoked"
    doorward("key", "rotate", made["id"]).fails(1, "revoked")
    assert doorward("key", "purge", "--revoked", "--yes", "--json").json == {"purged": [made["id"]]}
    doorward("key", "revoke", made["id"]).fails(1, "client key")
    stored = b"".join(file.read_bytes() for file in data_dir.rglob("*") if file.is_file())
    assert made["key"].rpartition("-")[2].encode() not in stored


def test_a_new_key_alone_stands_on_stdout(doorward: Doorward) -> None:
    ran = doorward("key", "create", "--label", "first")
    assert ran.out.startswith("dw-")
    assert ran.out.count("\n") == 1
    assert 'Key "first" made' in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("--label", ""),
        ("--label", "two\nlines"),
        ("--label", "x", "--scope", "root"),
        ("--label", "x", "--scope", ""),
        ("--label", "x", "--expires", "tomorrow"),
        ("--label", "x", "--expires", "0d"),
        ("--label", "x", "--models", ","),
        ("--label", "x", "--share-as", "A B"),
        ("--label",),
        (),
    ],
)
def test_a_wrong_wish_for_a_key_is_refused(doorward: Doorward, words: tuple[str, ...]) -> None:
    doorward("key", "create", *words).fails(2)
    assert doorward("key", "list", "--json").json == {"data": []}
