"""Journal files that nobody holds: their process has died, or could not finish. Whoever finds one settles it, once.

The file's lock is the token: it is free only when its process is gone. A call that was opened and
never settled is charged its hold, tagged `estimated`. The file is removed when all its rows are in
the database; one with damage is kept beside it as `….damaged`.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from doorward.core.money import Nanos
from doorward.core.usage import Source, Usage
from doorward.ledger.entry import Attempt, AttemptState
from doorward.ledger.journal import SUFFIX
from doorward.ledger.names import clean
from doorward.ledger.records import Ended, Held, Opened, Pages, read
from doorward.ledger.rows import rows_of
from doorward.ledger.settlement import BYTES_PER_TOKEN
from doorward.store.call_rows import Settled
from doorward.wire.endpoints import ENDPOINTS

_log = logging.getLogger(__name__)

CHARGED = "the process ended before the call was settled: charged what was held"
UNKNOWN = "the process ended before the call was settled, and nothing was held"
_BILLED = {endpoint.template for endpoint in ENDPOINTS if endpoint.bills != "free"}
_FREE = {endpoint.template for endpoint in ENDPOINTS} - _BILLED


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a process that is gone, locked by us."""

    path: Path
    pages: Pages

    def rows(self, found_at: float) -> list[Settled]:
        ended = [*self.pages.ended.values(), *(crashed(opened, held, found_at) for opened, held in self.pages.unsettled())]
        return [rows_of(one) for one in ended]

    def done(self) -> None:
        """Every row is in the database."""
        damage = self.pages.damage
        if damage.from_byte is None:
            self.path.unlink(missing_ok=True)
            return
        kept = self.path.with_suffix(".damaged")
        self.path.replace(kept)
        _log.warning(
            "journal %s is damaged from byte %d on: %d bytes hold no whole record; kept as %s",
            self.path.name,
            damage.from_byte,
            damage.bytes,
            kept.name,
        )


def abandoned(directory: Path) -> list[Path]:
    """Journal files, oldest first; most of them will turn out to be held by a living process."""
    with suppress(FileNotFoundError):
        return sorted(directory.glob(f"*{SUFFIX}"), key=_age)
    return []


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextmanager
def claim(path: Path) -> Iterator[Found | None]:
    """Lock a file and read it; `None` when its process lives, or somebody else was faster."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        try:
            same = os.path.samestat(os.fstat(fd), os.stat(path))
        except FileNotFoundError:
            same = False
        yield Found(path, read(path.read_bytes())) if same else None
    finally:
        os.close(fd)


def crashed(opened: Opened, held: Held | None, found_at: float) -> Ended:
    """The end of a call whose process died before it could settle: one attempt, and nobody knows what became of it."""
    free = opened.endpoint in _FREE
    reason = CHARGED if held is not None else UNKNOWN
    nanos = held.nanos if held is not None else None
    model = clean(held.model) if held is not None and held.model else opened.model_asked
    tokens = 0 if free else -(-opened.body_bytes // BYTES_PER_TOKEN)
    attempt = Attempt(
        1,
        (held.provider_id if held is not None else None) or "",
        held.account_id if held is not None else None,
        model,
        0.0,
        AttemptState.AMBIGUOUS,
        reason=reason,
        usage=Usage(input_tokens=tokens, source=Source.ESTIMATED),
        cost=Nanos(0) if free else None if nanos is None else Nanos(nanos),
        held=None if nanos is None else Nanos(nanos),
    )
    return Ended(
        opened,
        outcome="crashed",
        status=None,
        error_code=None,
        cache="off",
        model_asked=opened.model_asked,
        model_served=model,
        held=nanos,
        started_s=0.0,
        first_byte_s=None,
        ended_s=None,
        settled_at=found_at,
        decided="",
        facts=[("recovered", {"why": reason})],
        attempts=[attempt],
    )
