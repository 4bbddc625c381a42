"""A call that has ended, on its way into the book: its record's bytes, and its rows once somebody asks for them."""

from __future__ import annotations

from msgspec import Struct

from doorward.ledger.journal import Segment
from doorward.ledger.records import decode_ended
from doorward.ledger.rows import rows_of
from doorward.store.call_rows import Settled


class Closing(Struct, eq=False, gc=False):
    """Bytes, because whatever happens to the call's objects afterwards, the journal and the rows say the same."""

    record: bytes
    segment: Segment | None
    """The file that it stands in; `None`: only here."""
    settled_at: float
    made: Settled | None = None

    def rows(self) -> Settled:
        """Made once, for whoever asks first: book or telemetry."""
        made = self.made
        if made is None:
            made = self.made = rows_of(decode_ended(self.record))
        return made
