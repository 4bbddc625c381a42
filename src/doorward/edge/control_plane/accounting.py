"""What the nouns of money are handed: the book to read, and reports over it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from doorward.core.caller import Caller
from doorward.core.errors import NotFound
from doorward.edge.control_plane.caller import HasParts
from doorward.ledger.reports import Accounting


async def _accounting(parts: HasParts) -> Accounting:
    if parts.accounting is None:
        raise NotFound("This Doorward keeps no book.")
    return parts.accounting


HasAccounting = Annotated[Accounting, Depends(_accounting)]


def whose(caller: Caller, mine: bool) -> str | None:
    """The owner whose rows a caller may see: its own; an admin sees everybody's (`None`), or asks for its own."""
    return None if caller.is_admin and not mine else caller.owner
