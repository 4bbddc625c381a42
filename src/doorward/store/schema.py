"""Brings a database to the schema that this program knows, once, under a lock; refuses one that is newer.

Alembic costs 0.2 s and several megabytes, so it is imported only when there is something to do.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.errors import StoreError
from doorward.store.address import Address

HEAD = "0006"
"""The newest file in migrations/versions; revisions are numbers, so their order is the alphabet's."""

LOCK_WAIT_S = 60.0
_ADVISORY_LOCK = 0x646F6F7277617264  # "doorward"


def revision(connection: Connection) -> str | None:
    """The schema's revision, `None` for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def refuse_newer(found: str | None, address: Address) -> None:
    if found is not None and (found > HEAD or not found.isdecimal()):
        raise StoreError(
            f"The database {address.spoken} was written by a newer Doorward (its schema is {found}, this program knows {HEAD}). "
            "Start that version, or restore a backup made before the upgrade"
        )


@asynccontextmanager
async def migration_lock(connection: AsyncConnection, address: Address) -> AsyncIterator[None]:
    """One process migrates, the others wait (60 s at most) and then find nothing left to do."""
    if address.file is None:
        await connection.execute(text(f"SET LOCAL lock_timeout = '{int(LOCK_WAIT_S)}s'"))
        # released by the transaction's end, also when this process dies
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        yield
        return
    descriptor = os.open(_lock_file(address.file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _flock(descriptor, address.file)
        yield
    finally:
        os.close(descriptor)


def _lock_file(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


async def _flock(descriptor: int, database: Path) -> None:
    for _ in range(int(LOCK_WAIT_S / 0.05)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.05)
        else:
            return
    raise StoreError(
        f"Another process has been migrating {database} for {LOCK_WAIT_S:.0f} s. Wait for it, or stop it, then start again"
    )


def upgrade(connection: Connection) -> None:
    """Run the missing migrations inside the caller's transaction: all of them, or none."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    here = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", here.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
