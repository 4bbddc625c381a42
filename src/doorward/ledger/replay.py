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

from doorward.core.usage import Source
from doorward.ledger.journal import SUFFIX
from doorward.ledger.records import Held, Opened, Pages, read
from doorward.ledger.settlement import BYTES_PER_TOKEN, facts_json
from doorward.store.call_rows import AttemptRow, CallRow, Settled
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
        return [*self.pages.settled.values(), *(crashed(opened, held, found_at) for opened, held in self.pages.unsettled())]

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


def crashed(opened: Opened, held: Held | None, found_at: float) -> Settled:
    """The terminal rows of a call whose process died before it could settle."""
    free = opened.endpoint in _FREE
    nanos = 0 if free else held.nanos if held is not None else None
    reason = CHARGED if held is not None else UNKNOWN
    tokens = 0 if free else -(-opened.body_bytes // BYTES_PER_TOKEN)
    model = held.model if held is not None and held.model else opened.model_asked
    provider_id = held.provider_id if held is not None else None
    account_id = held.account_id if held is not None else None
    call = CallRow(
        opening=opened.opening,
        id=opened.id,
        process=opened.process,
        owner=opened.owner,
        key_id=opened.key_id,
        key_label=opened.key_label,
        user_id=opened.user_id,
        endpoint=opened.endpoint,
        tags=opened.tags,
        streamed=opened.streamed,
        model_asked=opened.model_asked,
        model_served=model,
        provider_id=provider_id,
        account_id=account_id,
        outcome="crashed",
        status=None,
        error_code=None,
        cache="off",
        attempts=1,
        input_tokens=tokens,
        cached_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        cost_nanos=nanos,
        held_nanos=held.nanos if held is not None else None,
        source=Source.ESTIMATED.value,
        reason=reason,
        price_version=None,
        started_at=opened.started_at,
        first_byte_ms=None,
        duration_ms=None,
        settled_at=found_at,
        facts=facts_json([("recovered", {"why": reason})]),
    )
    attempt = AttemptRow(
        opening=opened.opening,
        number=1,
        provider_id=provider_id or "",
        account_id=account_id,
        model=model,
        state="ambiguous",
        status=None,
        upstream_id=None,
        reason=reason,
        input_tokens=tokens,
        cached_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        units="{}",
        cost_nanos=nanos,
        held_nanos=call.held_nanos,
        source=Source.ESTIMATED.value,
        price_version=None,
        started_ms=0.0,
        first_event_ms=None,
        ended_ms=None,
    )
    return Settled(call, [attempt])
