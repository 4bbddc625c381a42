"""What is kept for the next who asks the same: its loss is a call more, and no reason to lose an answer that was paid for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from doorward.core.errors import StoreError

_log = logging.getLogger(__name__)


async def if_possible(keeping: Awaitable[None], what: str) -> None:
    """Wait for it; a database that takes nothing just now is said in the log. `what`: for people, no content."""
    try:
        await keeping
    except StoreError as away:
        _log.warning("%s could not be kept and will be asked for again: %s", what, away.message)
