"""One audit row for each change that a command made to providers, accounts or client keys.

The command's function names it (`account.add`), its outcome names the object; a value never gets in.
Users' commands write their rows themselves, inside the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from doorward.audit.chain import Audit
from doorward.cli.outcome import DONE, Outcome
from doorward.store.engine import Store

NOUNS = frozenset({"account", "key", "provider"})
READING = frozenset({"list", "test"})


async def record(store: Store, work: Callable[..., Awaitable[Any]], outcome: object) -> None:
    """`work` is the function that a command defined inside itself."""
    noun = work.__module__.rpartition(".")[2]
    verb = work.__qualname__.partition(".")[0].rstrip("_")
    if noun not in NOUNS or verb in READING or not isinstance(outcome, Outcome) or outcome.exit_code != DONE:
        return
    named = outcome.data.get("purged", outcome.data.get("id", ""))
    for target in named if isinstance(named, list) else [named]:
        await Audit(store).append("operator", f"{noun}.{verb}", f"{noun}:{target}")
