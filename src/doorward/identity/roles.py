"""What a caller may do: scopes of credentials, which come from the roles of users.

A session has the scopes of its user's role; a client key has those it was made with, never more
than its owner's role allows now.
"""

from __future__ import annotations

from collections.abc import Iterable

from doorward.core.caller import Caller, Role, Scope
from doorward.core.errors import Forbidden

SCOPES: tuple[Scope, ...] = ("call", "me", "admin")

ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "user": frozenset({"call", "me"}),
    "admin": frozenset({"call", "me", "admin"}),
}


def require_scope(caller: Caller, scope: Scope) -> None:
    """Raise `Forbidden` unless `caller` has `scope`."""
    if scope not in caller.scopes:
        raise Forbidden(f"This needs the scope {scope}, which this credential does not have.")


def require_admin(caller: Caller) -> None:
    if not caller.is_admin:
        raise Forbidden("Only admins may do this.")


def require_grantable(scopes: Iterable[Scope], caller: Caller) -> None:
    """Nobody hands out what they do not have themselves."""
    for scope in scopes:
        if scope not in caller.scopes:
            raise Forbidden(f"You cannot give the scope {scope}: you do not have it.")
