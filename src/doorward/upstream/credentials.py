"""The account's credential, written into the headers of one attempt, last of all.

    api_key, bearer    Authorization: Bearer <key>      (`anthropic` too: it is spoken to in OpenAI's format)
    header:<name>      <name>: <key>                    (Azure's `api-key`)
    none               nothing

The opened key lives in the headers of this attempt alone: nothing here keeps it or writes it anywhere else.
"""

from __future__ import annotations

import re
from typing import Protocol

from doorward.core.errors import DoorwardError, UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Header
from doorward.core.secret import Secret
from doorward.providers.provider import Account
from doorward.providers.route import Plan
from doorward.upstream.request import is_framing, is_token

_SENDABLE = re.compile(rb"[\x21-\x7e]+")
"""Keys and ids are printable ASCII without spaces; anything else could end the header or smuggle another in."""

_OURS = frozenset(
    (
        *(b"authorization", b"x-api-key", b"api-key", b"cookie", b"proxy-authorization"),
        *(b"openai-organization", b"openai-project"),
    )
)


class Opener(Protocol):
    """The opening side of the vault."""

    async def use(self, name: str) -> Secret: ...


class Credentials:
    def __init__(self, vault: Opener) -> None:
        self._vault = vault
        self._carriers: dict[str, bytes | None] = {}
        """By strategy: the credential header's name, or `None`: it takes none."""

    async def write(self, plan: Plan, headers: list[Header]) -> Secret | None:
        """Remove every credential that is in `headers` and append the account's own, which is returned: for this attempt alone.

        Raises what the vault raises, `UpstreamFailed` for a strategy that cannot be followed, and
        `UpstreamKeyRefused` or `UpstreamCredentialsRefused` for a stored key that no header can carry.
        """
        strategy = plan.provider.auth_strategy
        if strategy in self._carriers:
            carrier = self._carriers[strategy]
        else:
            carrier = self._carriers[strategy] = _carrier(plan)
        headers[:] = [field for field in headers if (name := field[0].lower()) not in _OURS and name != carrier]
        account = plan.account
        if account is None:
            if carrier is not None:
                raise UpstreamFailed(f"Provider {plan.provider.id} needs a key and no account was chosen. Add an account to it.")
            return None
        if account.organization:
            headers.append((b"openai-organization", _checked(account.organization.encode(), "organization id", account)))
        if account.project:
            headers.append((b"openai-project", _checked(account.project.encode(), "project id", account)))
        if carrier is None:
            return None
        secret = await self._vault.use(f"account:{account.id}")
        key = _checked(secret.reveal(), "key", account)
        headers.append((carrier, b"Bearer " + key if carrier == b"authorization" else key))
        return secret


def _carrier(plan: Plan) -> bytes | None:
    """The credential header's name, or `None`: this provider takes none."""
    strategy = plan.provider.auth_strategy
    if strategy in ("api_key", "bearer"):
        return b"authorization"
    if strategy == "none":
        return None
    kind, _, name = strategy.partition(":")
    carrier = name.strip().lower().encode("ascii", "replace")
    if kind != "header" or not is_token(carrier) or is_framing(carrier):
        raise UpstreamFailed(
            f"Provider {plan.provider.id} has an auth strategy that cannot be followed. Use api_key, header:<name> or none."
        )
    return carrier


def _checked(value: bytes, what: str, account: Account) -> bytes:
    if _SENDABLE.fullmatch(value):
        return value
    raise _unusable(account)(f"The {what} stored for account {account.id} has characters that no header can carry. Set it again.")


def _unusable(account: Account) -> type[DoorwardError]:
    return UpstreamKeyRefused if account.owner.startswith("user:") else UpstreamCredentialsRefused
