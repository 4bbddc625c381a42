"""Where the database is: a URL as people write it -> what SQLAlchemy needs, and a file that only we can read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from doorward.core.errors import StoreError

Dialect = Literal["sqlite", "postgresql"]

_CONNECT_ARGUMENTS = {"sslmode": "ssl", "connect_timeout": "timeout"}
"""libpq's names, which people copy from their hosting pages -> asyncpg's."""


@dataclass(frozen=True, slots=True)
class Address:
    dialect: Dialect
    url: URL
    """With the async driver's name."""
    connect_args: dict[str, Any]
    file: Path | None
    """SQLite's database file."""

    @property
    def spoken(self) -> str:
        """For messages: the file, or the URL without user, password and query."""
        return str(self.file) if self.file else f"postgresql://{self.url.host or ''}:{self.url.port or 5432}/{self.url.database}"


def parse(url: str) -> Address:
    """Raises `StoreError` for anything that is neither a SQLite file nor a PostgreSQL server."""
    try:
        given = make_url(url)
    except ArgumentError:
        # the text may hold a password: it is not repeated
        raise StoreError(
            "DOORWARD_DATABASE_URL is not a URL. Write sqlite:///path/to/doorward.db or postgresql://host/name"
        ) from None
    backend = given.drivername.partition("+")[0]
    if backend == "sqlite":
        if not given.database or given.database == ":memory:" or given.database.startswith("file:"):
            raise StoreError("A SQLite database must be a file: sqlite:///path/to/doorward.db")
        return Address("sqlite", given.set(drivername="sqlite+aiosqlite"), {}, Path(given.database).absolute())
    if backend in ("postgresql", "postgres"):
        return _postgresql(given)
    raise StoreError(f"Doorward keeps its data in SQLite or PostgreSQL, not in {backend!r}. Change DOORWARD_DATABASE_URL")


def _postgresql(given: URL) -> Address:
    arguments: dict[str, Any] = {"timeout": 5.0, "command_timeout": 30.0}
    for name, value in given.query.items():
        if name not in _CONNECT_ARGUMENTS or not isinstance(value, str):
            known = ", ".join(_CONNECT_ARGUMENTS)
            raise StoreError(f"DOORWARD_DATABASE_URL has an option {name!r} that is not known here; known: {known}")
        if name == "connect_timeout" and not value.isdecimal():
            raise StoreError("connect_timeout in DOORWARD_DATABASE_URL must be whole seconds")
        arguments[_CONNECT_ARGUMENTS[name]] = float(value) if name == "connect_timeout" else value
    return Address("postgresql", given.set(drivername="postgresql+asyncpg", query={}), arguments, None)


def prepare_file(file: Path) -> None:
    """Make the database file before SQLite would, so that it is never readable by others, not for a moment."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # WAL and shared-memory files take the database's mode, so this one call covers the three
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
    except OSError as error:
        raise StoreError(
            f"The database {file} cannot be opened: {error.strerror}. "
            f"The directory must be readable and writable for uid {os.getuid()}; set DOORWARD_DATA_DIR to another one if it is not"
        ) from error
    if not os.access(file.parent, os.R_OK | os.W_OK | os.X_OK):
        raise StoreError(
            f"The directory {file.parent} must be readable and writable for uid {os.getuid()}: "
            "SQLite keeps its log beside the database"
        )
