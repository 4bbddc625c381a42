"""Budgets and prices on the command line, with and without a server."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Doorward


def test_budgets_of_all_and_of_a_key(doorward: Doorward) -> None:
    key = doorward("key", "create", "--label", "trial", "--budget-usd", "5", "--budget-period", "day", "--json").json["id"]
    made = doorward("budget", "set", "all", "--usd", "100", "--period", "month", "--json").json
    assert (made["subject"], made["cap_usd"], made["spent_usd"]) == ("all", "100", "0")
    doorward("budget", "set", f"key:{key}", "--usd", "$0.5", "--period", "ever")
    rows = doorward("budget", "list", "--json").json["data"]
    assert [(row["subject"], row["label"], row["cap_usd"], row["period"]) for row in rows] == [
        ("all", "everything together", "100", "month"),
        (f"key:{key}", "trial", "0.5", "ever"),
    ]
    assert doorward("budget", "remove", f"key:{key}", "--json").json["removed"] is True
    assert len(doorward("budget", "list", "--json").json["data"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("budget", "set", "all", "--usd", "-1"),
        ("budget", "set", "all", "--usd", "many"),
        ("budget", "set", "all", "--usd", "1", "--period", "year"),
        ("budget", "set", "team:a", "--usd", "1"),
        ("key", "create", "--label", "a", "--budget-usd", "-1"),
        ("key", "create", "--label", "a", "--budget-usd", "1", "--budget-period", "year"),
        ("price", "set", "m", "--unit", "input_mtok", "--usd", "-1"),
        ("price", "set", "m", "--unit", "per_word", "--usd", "1"),
    ],
)
def test_wrong_money_is_three_lines(doorward: Doorward, words: tuple[str, ...]) -> None:
    doorward(*words).fails(2)


def test_own_prices(doorward: Doorward) -> None:
    assert doorward("price", "set", "m-*", "--list", "mine", "--unit", "input_mtok", "--usd", "0.5", "--json").json["own"] is True
    [row] = doorward("price", "list", "--list", "mine", "--json").json["data"]
    assert (row["model"], row["unit"], row["usd"]) == ("m-*", "input_mtok", "0.5")
    assert doorward("price", "remove", "m-*", "--list", "mine", "--json").json["removed"] == 1
    assert any(row["usd"] == "0.15" for row in doorward("price", "list", "--model", "gpt-4o-mini", "--json").json["data"])


def test_a_provider_says_whose_prices_apply(doorward: Doorward) -> None:
    added = doorward("provider", "add", "second", "--base-url", "https://api.example.com", "--prices", "openai", "--json").json
    assert added["prices"] == "openai"
