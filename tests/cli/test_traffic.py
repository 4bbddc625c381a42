"""`doorward route`, `model`, `limit`, `provider drain`, and the limits of `key create`."""

from __future__ import annotations

from tests.cli.conftest import Doorward


def test_routes(doorward: Doorward) -> None:
    doorward("provider", "add", "one", "--base-url", "https://one.example", "--models", "big-,small")
    made = doorward(
        "route", "set", "big-*", "--fallback", "small-1,small-2", "--first-event-timeout-s", "9", "--rescue", "--json"
    ).json
    assert made == {
        "match": "big-*",
        "fallbacks": ["small-1", "small-2"],
        "first_event_timeout_s": 9.0,
        "idle_timeout_s": None,
        "rescue": True,
    }
    assert doorward("route", "list", "--json").json == {"data": [made]}
    assert doorward("route", "remove", "big-*", "--json").json["removed"]
    doorward("route", "remove", "big-*").fails(1, "no such route")
    assert "No routes yet" in (ran := doorward("route", "list")).out + ran.err


def test_routes_that_make_no_sense(doorward: Doorward) -> None:
    doorward("provider", "add", "one", "--base-url", "https://one.example", "--models", "big-")
    doorward("route", "set", "big-1", "--fallback", ",").fails(2, "at least one")
    doorward("route", "set", "big-1", "--fallback", "big-1").fails(2, "own fallback")
    doorward("route", "set", "big-1", "--fallback", "nobodys").fails(2, "--force")
    doorward("route", "set", "big-1", "--fallback", "big-2", "--idle-timeout-s", "-1").fails(2, "at least")
    doorward("route", "set", "big-1", "--fallback", "big-2", "--idle-timeout-s", "nan").fails(2, "at least")
    doorward("route", "set", "big-1", "--fallback", "big-2", "--idle-timeout-s", "1e9").fails(2, "never be reached")
    assert doorward("route", "set", "big-1", "--fallback", "nobodys", "--force", "--json").json["fallbacks"] == ["nobodys"]


def test_other_names(doorward: Doorward) -> None:
    assert doorward("model", "alias", "fast", "gpt-4o-mini", "--json").json == {"name": "fast", "model": "gpt-4o-mini"}
    doorward("model", "alias", "faster", "fast").fails(1, "another name")
    doorward("model", "alias", "x", "nobodys").fails(2, "--force")
    assert doorward("model", "list", "--json").json["data"] == [{"name": "fast", "model": "gpt-4o-mini"}]
    assert doorward("model", "remove", "fast", "--json").json["removed"]


def test_limits_of_users_and_accounts(doorward: Doorward) -> None:
    user = doorward("user", "add", "ann@example.com", "--password-stdin", "--json", stdin="a long enough password").json
    made = doorward("limit", "set", "user:ann@example.com", "--rpm", "60", "--tpd", "1000000", "--json").json
    assert (made["subject"], made["rpm"], made["tpd"], made["concurrency"]) == (f"user:{user['id']}", 60, 1_000_000, None)
    assert doorward("limit", "list", "--json").json == {"data": [made]}
    doorward("limit", "set", "user:ann@example.com").fails(2, "No limit")
    doorward("limit", "set", "account:none", "--rpm", "1").fails(1, "no such account")
    assert doorward("limit", "remove", "user:ann@example.com", "--json").json["removed"]


def test_limits_of_a_key(doorward: Doorward) -> None:
    options = ("--rpm", "6", "--tpm", "70", "--rpd", "80", "--tpd", "900", "--concurrency", "2")
    made = doorward("key", "create", "--label", "l", *options, "--json").json
    assert made["limits"] == {"rpm": 6, "tpm": 70, "rpd": 80, "tpd": 900, "concurrency": 2}
    doorward("key", "create", "--label", "l", "--rpm", "0").fails(2, "rpm")
    doorward("key", "create", "--label", "l", "--rpm", "9", "--rpd", "8").fails(2, "rpd")
    doorward("key", "create", "--label", "l", "--rpm", "99999999999").fails(2, "rpm")


def test_drain(doorward: Doorward) -> None:
    assert doorward("provider", "drain", "openai", "--json").json["is_draining"] is True
    assert "draining" in doorward("provider", "list").out
    assert doorward("provider", "drain", "openai", "--undo", "--json").json["is_draining"] is False
    doorward("provider", "drain", "nobody").fails(1, "no such provider")
