"""`doorward migrate`: the schema of this version, before a server starts. A start does the same."""

from __future__ import annotations

import asyncio

from doorward.cli import config
from doorward.cli.outcome import Outcome
from doorward.cli.tree import Verb, verb
from doorward.store import schema
from doorward.store.engine import Store

app = verb()


@app.command(cls=Verb)
def migrate() -> Outcome:
    """Bring the database to this version's schema. Safe to run again, and while another process starts."""
    return asyncio.run(_migrate())


async def _migrate() -> Outcome:
    store = await Store.open(config.read().url)
    try:
        return Outcome(
            {"database": store.url, "revision": schema.HEAD}, said=f"The database {store.url} is at revision {schema.HEAD}."
        )
    finally:
        await store.close()
