"""What the relay remembers of calls that may be asked for twice."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, Table, Text, false

from doorward.store.tables.columns import metadata

idempotent_calls = Table(
    "idempotent_calls",
    metadata,
    # a hash of owner and `Idempotency-Key`; the sealed answer lies under `shared_call:<name>`
    Column("name", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("is_done", Boolean, nullable=False, server_default=false()),
    Column("expires_at", Double, nullable=False, index=True),
)

call_contents = Table(
    "call_contents",
    metadata,
    # what was said in a call lies sealed under `content:<opening>`; here stands whose it is and how long it may be kept
    Column("opening", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("owner", Text, nullable=False, index=True),
    Column("key_id", Text, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

call_limits = Table(
    "call_limits",
    metadata,
    # `user:<id>` or `account:<id>`; a client key's own limits stand in its row
    Column("subject", Text, primary_key=True),
    Column("rpm", Integer),
    Column("rpd", Integer),
    Column("tpm", BigInteger),
    Column("tpd", BigInteger),
    Column("concurrency", Integer),
)
