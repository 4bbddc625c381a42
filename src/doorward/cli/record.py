"""One audit row for each thing that a command changed, in the transaction of the change itself.

The command's function names what was done (`account.add`), the database tells to what; a value never gets in.
Users' commands write their rows themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from doorward.audit.chain import Audit
from doorward.store.engine import Store

ACTOR = "operator"
NOUNS = frozenset({"account", "budget", "key", "limit", "model", "price", "provider", "route"})


def recorded(store: Store, work: Callable[..., Awaitable[Any]]) -> AbstractContextManager[object]:
    """`work` is the function that a command defined inside itself; it is awaited in the block, by the same task."""
    noun = work.__module__.rpartition(".")[2]
    verb = work.__qualname__.partition(".")[0].rstrip("_")
    return Audit(store).beside_each(ACTOR, f"{noun}.{verb}") if noun in NOUNS else nullcontext()
