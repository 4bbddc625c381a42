"""Stored objects (files, responses) stay with the owner and the account that made them (R18).

Another owner's id is a 404, the same one as for an id that never was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from doorward.core.caller import Caller
from doorward.core.errors import BadRequest, NotFound
from doorward.store.objects import Objects

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Bound:
    """The account that an object binds its calls to; `account_id` is `None` where no key is needed."""

    provider_id: str
    account_id: str | None


class Ownership:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def bound(self, caller: Caller, ids: Iterable[str]) -> Bound | None:
        """Where calls about these ids must go. Raises `NotFound` for an id that is not the caller's.

        An admin's key may name objects that nobody's call through this door has made: such an id binds nothing.
        """
        found: Bound | None = None
        for object_id in ids:
            row = await self._objects.find(object_id)
            if row is None and caller.is_admin:
                continue
            if row is None or row.owner != caller.owner:
                raise NotFound(f"There is no object {object_id!r} for this key.")
            place = Bound(row.provider_id, row.account_id)
            if found is not None and place != found:
                raise BadRequest("The request names objects that lie on different accounts: upload them again together.")
            found = place
        return found

    async def bind(self, object_id: str, kind: str, caller: Caller, provider_id: str, account_id: str | None) -> None:
        await self._objects.bind(object_id, kind, caller.owner, provider_id, account_id)

    async def forget(self, caller: Caller, object_id: str) -> None:
        await self._objects.forget(object_id, None if caller.is_admin else caller.owner)

    async def places(self, caller: Caller, kind: str) -> dict[Bound, set[str]]:
        """The owner's ids of a kind, by where they lie: what a list may show."""
        places: dict[Bound, set[str]] = {}
        last = None
        while page := await self._objects.of_owner(caller.owner, kind, limit=_PAGE, after=last):
            for row in page:
                places.setdefault(Bound(row.provider_id, row.account_id), set()).add(row.id)
            last = page[-1]
        return places
