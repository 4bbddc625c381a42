"""The database: one `Store` for SQLite and PostgreSQL, with a way to read and a way to write.

    async with store.reading() as connection:   each statement sees what is committed; writing is refused
    async with store.writing() as connection:   one transaction, committed at the end of the block, undone by an exception
    await store.write(step, step)               one transaction whose statements are known: the shortest hold on the writer
    await store.sync()                          all that is committed survives a power loss, too

No connection is held while a stream flows. A database that is away raises `StoreError` (503),
which names no host; the cause is chained for the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from sqlalchemy import ClauseElement, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from doorward.core.errors import StoreError
from doorward.store import schema, witness
from doorward.store.address import Address, Dialect, parse, prepare_file
from doorward.store.at_once import in_one_trip, one_by_one
from doorward.store.away import AWAY, away_is_503, broken_socket_is_503, connecting_is_503, root_cause
from doorward.store.steps import Prepared, Step, Undone
from doorward.store.tables.columns import database_now
from doorward.store.write_ahead import MOVE_ALL, WriteAheadLog

BUSY_TIMEOUT_MS = 5000
"""How long SQLite waits for another process's writer."""
READERS = 4
PG_WRITERS = 5
PG_IDLE_MS = 10_000
"""A process that stops in the middle of a transaction loses it after so long: others wait for its rows."""


class Store:
    """Open it with `Store.open`, close it with `close`; belongs to one event loop."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.dialect: Dialect = address.dialect
        self._reader = _engine(address, reads=True)
        self._writer = _engine(address, reads=False)
        # SQLite has one writer: queueing here in order beats polling for the file's lock
        self._turn = asyncio.Lock()
        self._log = WriteAheadLog(address.file) if address.file is not None else None
        self._writing_task: asyncio.Task[Any] | None = None
        # Kept here and not in the connection's `info`: a cancelled one reconnects when that is touched.
        self._after_commit: dict[int, list[Callable[[], object]]] = {}
        self._socket_guard: Callable[[], AbstractContextManager[None]] = (
            nullcontext if address.dialect == "sqlite" else broken_socket_is_503
        )

    @property
    def url(self) -> str:
        """For people; without the password."""
        return self.address.spoken

    @classmethod
    async def open(cls, url: str) -> Store:
        """Connect, and bring the schema up to date. Raises `StoreError` with a message that says what to do."""
        address = parse(url)
        if address.file is not None:
            prepare_file(address.file)
        store = cls(address)
        try:
            await store._migrate()
        except BaseException as error:
            await store.close()
            if isinstance(error, (SQLAlchemyError, OSError)) or (isinstance(error, StoreError) and error.message == AWAY):
                raise StoreError(f"The database {address.spoken} cannot be used: {root_cause(error)}") from error
            raise
        if store._log is not None:
            store._log.watch()
        return store

    async def _migrate(self) -> None:
        async with self.reading() as connection:
            found = await connection.run_sync(schema.revision)
        schema.refuse_newer(found, self.address)
        if found == schema.HEAD:
            return
        # the file's lock comes before SQLite's own, so that a second process waits 60 s and not 5
        async with self._turn, self._connection(self._writer) as connection:
            if self.dialect == "sqlite":
                async with schema.migration_lock(connection, self.address), connection.begin():
                    await self._upgrade(connection)
            else:
                async with connection.begin(), schema.migration_lock(connection, self.address):
                    await self._upgrade(connection)

    async def _upgrade(self, connection: AsyncConnection) -> None:
        found = await connection.run_sync(schema.revision)
        schema.refuse_newer(found, self.address)
        if found != schema.HEAD:
            await connection.run_sync(schema.upgrade)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._connection(self._reader)

    @asynccontextmanager
    async def writing(self, within: AsyncConnection | None = None) -> AsyncIterator[AsyncConnection]:
        """`within`: join a transaction that is open already; its owner commits it."""
        if within is not None:
            yield within
            return
        if self.dialect == "postgresql":
            async with self._transaction() as connection:
                yield connection
            return
        async with self._writers_turn(), self._transaction() as connection:
            yield connection

    async def write(self, *steps: Step) -> bool:
        """All of them in one transaction -> `False`: a step that needs a row changed none, and nothing is written."""
        try:
            if self.dialect == "postgresql" or witness.present() is not None:
                async with self.writing() as connection:
                    await one_by_one(connection, steps)
            else:
                async with self._writers_turn(), self._connection(self._writer) as connection:
                    await in_one_trip(connection, steps)
        except Undone:
            return False
        return True

    def prepared(self, statement: ClauseElement, *columns: str) -> Prepared:
        """What makes steps of a statement; `columns`: those of an INSERT that names none."""
        return Prepared(statement, self._writer.dialect, columns or None)

    @asynccontextmanager
    async def _writers_turn(self) -> AsyncIterator[None]:
        """SQLite's one writer, for this task."""
        if self._writing_task is not None and self._writing_task is asyncio.current_task():
            raise RuntimeError("writing() inside writing() would wait for itself: pass the open connection as `within`")
        async with self._turn:
            self._writing_task = asyncio.current_task()
            try:
                yield
            finally:
                self._writing_task = None

    async def sync(self) -> None:
        """Bring what is committed to the disk. Others write meanwhile; PostgreSQL's commits are there by themselves.

        Raises `StoreError`: it may not be there.
        """
        if self._log is None or await asyncio.to_thread(self._log.sync):
            return
        async with self._turn, self.reading() as connection:
            is_busy = (await connection.exec_driver_sql(MOVE_ALL)).one()[0]
        if is_busy:
            raise StoreError("The database's log cannot be moved while others read it. What was changed stands", retry_after_s=1.0)
        self._log.moved_all()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self._connection(self._writer) as connection:
            watching, testified = witness.present(), False
            if watching is not None:
                watching.touched.clear()
            try:
                async with connection.begin():
                    if self.dialect == "postgresql":
                        # for this transaction alone, which a pooler between lets pass
                        await connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {PG_IDLE_MS}")
                    yield connection
                    if watching is not None:
                        testified = await watching.testify(connection, tuple(watching.touched))
                if watching is not None:
                    watching.done = testified
            except BaseException:
                self._after_commit.pop(id(connection), None)
                raise
            for callback in self._after_commit.pop(id(connection), ()):
                callback()

    def after_commit(self, connection: AsyncConnection, callback: Callable[[], object]) -> None:
        """Run once the open transaction is committed, never if it is undone: for what memory knows of a row."""
        self._after_commit.setdefault(id(connection), []).append(callback)

    def touched(self, subject: str) -> None:
        """Tell who watches the open transaction what it changes, as ``account:<id>``."""
        watching = witness.present()
        if watching is not None:
            watching.touched[subject] = None

    def witnessed(self, testify: witness.Testify) -> AbstractContextManager[witness.Witness]:
        """A transaction of this task in the block ends with `testify`: the change and its row, or neither.

        It is the first one of which `testify` says `True`.
        """
        return witness.called(testify)

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        with connecting_is_503():
            connection = await engine.connect()
        try:
            with away_is_503(), self._socket_guard():
                yield connection
        finally:
            # a cancelled caller must still give its connection back
            await asyncio.shield(connection.close())

    async def now_s(self, connection: AsyncConnection) -> float:
        """The database's clock, unix seconds: the one clock that all processes share."""
        return float((await connection.execute(select(database_now()))).scalar_one())

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()
        if self._log is not None:
            self._log.close()


def _engine(address: Address, *, reads: bool) -> AsyncEngine:
    arguments = dict(address.connect_args)
    options: dict[str, Any] = {"pool_timeout": 10.0, "max_overflow": 0, "hide_parameters": True}
    if address.dialect == "sqlite":
        from doorward.store import one_trip  # imported by need: PostgreSQL's Doorward has no use for it

        # the driver's own BEGIN comes too late and misses DDL: transactions are begun below
        arguments |= {"isolation_level": None, "async_creator_fn": one_trip.connect}
        options |= {"pool_size": READERS if reads else 1}
    else:
        options |= {"pool_size": READERS if reads else PG_WRITERS, "pool_pre_ping": True}
        arguments["server_settings"] = {"application_name": "doorward"}
        if reads:
            options["isolation_level"] = "AUTOCOMMIT"
            arguments["server_settings"]["default_transaction_read_only"] = "on"
    if reads:
        # autocommitted reads leave nothing to roll back, and a roll-back costs a trip to the driver
        options["pool_reset_on_return"] = None
    engine = create_async_engine(address.url, connect_args=arguments, **options)
    if address.dialect == "sqlite":
        _tune_sqlite(engine, reads=reads)
    return engine


def _tune_sqlite(engine: AsyncEngine, *, reads: bool) -> None:
    pragmas = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"]
    if reads:
        pragmas.append("query_only = ON")
    else:
        # a key that was replaced must not stay behind in a free page
        pragmas.append("secure_delete = ON")

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if not reads:

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection: Any) -> None:
            # IMMEDIATE takes the write lock at once: a read that turns into a write could not wait for it
            connection.exec_driver_sql("BEGIN IMMEDIATE")
