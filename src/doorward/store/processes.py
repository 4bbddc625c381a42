"""How many processes serve from this database now. Nothing is written: what tells of them ends with them.

PostgreSQL knows its connections, and each serving process names one of its own. On SQLite processes share a machine and a
data directory, and each has a journal there, which goes when it ends (`ledger.journal`) or is replayed after it died.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from doorward.store.engine import Store

_NAME = text("SELECT set_config('application_name', :name, false)")
_COUNT = text(
    "SELECT count(DISTINCT application_name) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE 'doorward serve %'"
)


class Processes:
    """`start_id`: of this one; `journals`: the directory of its journal."""

    def __init__(self, store: Store, start_id: str, journals: Path) -> None:
        self._store = store
        self._start_id = start_id
        self._journals = journals

    async def count(self) -> int:
        """At least 1: this one. Raises `StoreError`."""
        if self._store.dialect == "sqlite":
            return len({path.name.rpartition("-")[0] for path in self._journals.glob("*-*.journal")} | {self._start_id})
        async with self._store.reading() as connection:
            # a pooled connection stays open, so that the others see this process; one that broke is named anew by the next look
            await connection.execute(_NAME, {"name": f"doorward serve {self._start_id}"})
            return max(1, int((await connection.execute(_COUNT)).scalar_one()))
