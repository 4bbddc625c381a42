"""The account's credential goes in last and alone; nothing of the client's stays, nothing else gets in."""

from __future__ import annotations

import pytest

from doorward.core.errors import UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Header
from doorward.core.secret import Secret
from doorward.providers.provider import Account, Provider
from doorward.providers.route import Plan
from doorward.upstream.credentials import Credentials


class OneKey:
    """A vault that holds one key, and remembers what it was asked for."""

    def __init__(self, value: bytes = b"sk-test-123") -> None:
        self.value = value
        self.asked: list[str] = []

    async def use(self, name: str) -> Secret:
        self.asked.append(name)
        return Secret(self.value)


def _plan(strategy: str = "api_key", *, provider: str = "openai", account: bool = True, **fields: str) -> Plan:
    row = Provider(provider, provider, "https://api.example", auth_strategy=strategy)
    return Plan(row, Account("a1", provider, "first", **fields) if account else None, "m")


@pytest.mark.parametrize(
    ("strategy", "provider", "written"),
    [
        ("api_key", "openai", [(b"authorization", b"Bearer sk-test-123")]),
        ("bearer", "openai", [(b"authorization", b"Bearer sk-test-123")]),
        ("api_key", "anthropic", [(b"authorization", b"Bearer sk-test-123")]),
        ("header:Api-Key", "azure", [(b"api-key", b"sk-test-123")]),
        ("header:x-goog-api-key", "google", [(b"x-goog-api-key", b"sk-test-123")]),
        ("none", "local", []),
    ],
)
async def test_strategies(strategy: str, provider: str, written: list[Header]) -> None:
    vault = OneKey()
    headers = [
        (b"accept", b"*/*"),
        (b"Authorization", b"Bearer dw-client"),
        (b"x-api-key", b"dw-client"),
        (b"api-key", b"dw-client"),
        (b"x-goog-api-key", b"dw-client"),
        (b"cookie", b"session=1"),
        (b"openai-organization", b"org-client"),
        (b"OpenAI-Project", b"proj-client"),
    ]
    given = headers if "goog" in strategy else [field for field in headers if field[0] != b"x-goog-api-key"]
    await Credentials(vault).write(_plan(strategy, provider=provider), given)
    assert given == [(b"accept", b"*/*"), *written]
    assert vault.asked == (["account:a1"] if written else [])


async def test_organisation_and_project_are_the_accounts() -> None:
    headers: list[Header] = []
    await Credentials(OneKey()).write(_plan(organization="org-1", project="proj-1"), headers)
    assert headers == [
        (b"openai-organization", b"org-1"),
        (b"openai-project", b"proj-1"),
        (b"authorization", b"Bearer sk-test-123"),
    ]


async def test_keyless_provider_without_an_account() -> None:
    headers = [(b"authorization", b"Bearer dw-client")]
    await Credentials(OneKey()).write(_plan("none", account=False), headers)
    assert headers == []


async def test_a_provider_with_keys_needs_an_account() -> None:
    with pytest.raises(UpstreamFailed, match="no account"):
        await Credentials(OneKey()).write(_plan(account=False), [])


@pytest.mark.parametrize("value", [b"sk-1\r\nx: y", b"sk-1\n", b"sk-1\0", b"sk 1", b"", b"sk-\xff", b"sk-\x7f", b"\tsk"])
@pytest.mark.parametrize(("owner", "error"), [("operator", UpstreamCredentialsRefused), ("user:7", UpstreamKeyRefused)])
async def test_keys_that_no_header_can_carry(value: bytes, owner: str, error: type[Exception]) -> None:
    headers: list[Header] = []
    with pytest.raises(error) as caught:
        await Credentials(OneKey(value)).write(_plan(owner=owner), headers)
    assert headers == []
    assert "sk" not in str(caught.value)


async def test_organisation_that_would_inject() -> None:
    with pytest.raises(UpstreamCredentialsRefused):
        await Credentials(OneKey()).write(_plan(organization="org\r\nx: y"), [])


@pytest.mark.parametrize(
    "strategy", ["header:", "header:a b", "header:host", "header:Content-Length", "header:x\r\ny", "oauth", ""]
)
async def test_strategies_that_cannot_be_followed(strategy: str) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be followed"):
        await Credentials(OneKey()).write(_plan(strategy), [])
