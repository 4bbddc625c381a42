"""`GET /v1/files`: the caller's own files, wherever they lie (R18).

Each account that holds files of this owner is asked for its whole list (an upstream gives up to 10,000 a page); rows
that are not the owner's are left out, and the client's `purpose`, `order`, `after` and `limit` are applied to what is left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode

import msgspec
from msgspec.structs import replace

from doorward.core.caller import Caller
from doorward.core.errors import BadRequest, UpstreamFailed
from doorward.core.exchange import EMPTY, Exchange, Reply
from doorward.ledger.entry import Entry
from doorward.objects.ownership import Bound, Ownership
from doorward.relay.failover import Failover
from doorward.relay.router import Router
from doorward.wire.endpoints import Endpoint

_PAGE = 10_000
_MOST_PAGES = 20


class _Row(msgspec.Struct):
    id: str
    created_at: int = 0
    purpose: str = ""


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool = False


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: str = "list"


class FileList:
    def __init__(self, ownership: Ownership, router: Router, failover: Failover) -> None:
        self._ownership = ownership
        self._router = router
        self._failover = failover

    async def reply(self, exchange: Exchange, caller: Caller, endpoint: Endpoint, entry: Entry) -> Reply:
        asked = _asked(exchange.query)
        rows: list[tuple[_Row, msgspec.Raw]] = []
        for place, own in (await self._ownership.places(caller, "file")).items():
            rows += [row async for row in self._rows(exchange, caller, endpoint, entry, place, own)]
        if "purpose" in asked:
            rows = [row for row in rows if row[0].purpose == asked["purpose"]]
        rows.sort(key=lambda row: (row[0].created_at, row[0].id), reverse=asked.get("order", "desc") == "desc")
        if (after := asked.get("after")) is not None:
            ids = [row[0].id for row in rows]
            if after not in ids:
                raise BadRequest("`after` names no file of this key.", param="after")
            rows = rows[ids.index(after) + 1 :]
        limit = int(asked.get("limit", str(_PAGE)))
        page = rows[:limit]
        ids = [row[0].id for row in page]
        answer = _Answer([row[1] for row in page], len(rows) > limit, ids[0] if ids else None, ids[-1] if ids else None)
        body = msgspec.json.encode(answer)

        async def chunks() -> AsyncIterator[bytes]:
            yield body

        return Reply(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))], chunks(), whole=True)

    async def _rows(
        self, exchange: Exchange, caller: Caller, endpoint: Endpoint, entry: Entry, place: Bound, own: set[str]
    ) -> AsyncIterator[tuple[_Row, msgspec.Raw]]:
        """The owner's rows of one account's list, as the upstream wrote them."""
        route = self._router.resolve(exchange, caller, endpoint, place)
        entry.route = entry.route or route
        after: str | None = None
        for _ in range(_MOST_PAGES):
            query = urlencode({"limit": _PAGE, **({"after": after} if after else {})}).encode()
            page = replace(exchange, query=query, body=EMPTY)
            async with self._failover.open(route, page, endpoint, entry) as reply:
                body = b"".join([chunk async for chunk in reply.chunks])
            if reply.status != 200:
                raise UpstreamFailed(f"{place.provider_id} answered {reply.status} when asked for its list of files.")
            try:
                decoded = msgspec.json.decode(body, type=_Page)
                rows = [(msgspec.json.decode(raw, type=_Row), raw) for raw in decoded.data]
            except msgspec.DecodeError as cause:
                raise UpstreamFailed(f"{place.provider_id} sent a list of files that cannot be read.") from cause
            for row in rows:
                if row[0].id in own:
                    yield row
            if not decoded.has_more or not rows:
                return
            after = rows[-1][0].id


def _asked(query: bytes) -> dict[str, str]:
    asked = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
    limit = asked.get("limit", "1")
    if not limit.isdigit() or not 1 <= int(limit) <= _PAGE:
        raise BadRequest(f"`limit` must be a whole number from 1 to {_PAGE}.", param="limit")
    if asked.get("order", "desc") not in ("asc", "desc"):
        raise BadRequest("`order` must be asc or desc.", param="order")
    return asked
