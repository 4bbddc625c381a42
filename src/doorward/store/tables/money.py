"""The book, budgets and leases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text, text

from doorward.store.tables.columns import metadata

RENAMED = "coalesce(model_served, '') <> model_asked"
"""Another model answered than was asked for, or none did."""

calls = Table(
    "calls",
    metadata,
    Column("opening", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("key_id", Text),
    Column("key_label", Text, nullable=False),
    Column("user_id", Text),
    Column("endpoint", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("model_asked", Text),
    Column("model_served", Text),
    Column("provider_id", Text),
    Column("account_id", Text),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("error_code", Text),
    Column("cache", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger),
    Column("held_nanos", BigInteger),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("price_version", Text),
    Column("started_at", Double, nullable=False),
    Column("first_byte_ms", Double),
    Column("duration_ms", Double),
    Column("settled_at", Double, nullable=False),
    Column("facts", Text, nullable=False),
    Index(None, "started_at", "id"),
    Index(None, "owner", "started_at", "id"),
    Index(None, "key_id", "started_at", "id"),
    Index(None, "account_id", "started_at", "id"),
    Index(None, "model_served", "started_at", "id"),
    Index(None, "id"),
    Index(None, "settled_at"),
)

# Few calls are renamed or fail: their indices cost the others nothing. PostgreSQL's are as narrow (migration 0003);
# to say so here too would import its dialect, 3 MB, into every process.
Index(
    "ix_calls_renamed",
    calls.c.model_asked,
    calls.c.started_at,
    calls.c.id,
    sqlite_where=text(RENAMED),
)
Index(
    "ix_calls_errors",
    calls.c.error_code,
    calls.c.started_at,
    calls.c.id,
    sqlite_where=calls.c.error_code.is_not(None),
)

attempts = Table(
    "attempts",
    metadata,
    Column("opening", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("provider_id", Text, nullable=False),
    Column("account_id", Text),
    Column("model", Text),
    Column("state", Text, nullable=False),
    Column("status", Integer),
    Column("upstream_id", Text),
    Column("reason", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("units", Text, nullable=False),
    Column("cost_nanos", BigInteger),
    Column("held_nanos", BigInteger),
    Column("source", Text, nullable=False),
    Column("price_version", Text),
    Column("started_ms", Double, nullable=False),
    Column("first_event_ms", Double),
    Column("ended_ms", Double),
    sqlite_with_rowid=False,
)

# What reports add up: 15 minutes, so that the days of every time zone are whole buckets. A call counts once in the
# row without a tag, and once in the row of each of its tags. Absent ids are '', because NULLs would not be one key.
rollups = Table(
    "rollups",
    metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("cached_calls", BigInteger, nullable=False),
    Column("unknown_cost_calls", BigInteger, nullable=False),
    Column("estimated_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The same by day of UTC: a month of quarters of an hour is a hundred times as many rows as a report should read.
daily_rollups = Table(
    "daily_rollups",
    metadata,
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("cached_calls", BigInteger, nullable=False),
    Column("unknown_cost_calls", BigInteger, nullable=False),
    Column("estimated_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The same quarters by owner, and of everybody together (''): days of any zone are a few thousand rows, whatever the number
# of keys and models.
owner_rollups = Table(
    "owner_rollups",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("cached_calls", BigInteger, nullable=False),
    Column("unknown_cost_calls", BigInteger, nullable=False),
    Column("estimated_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What the overview shows, at each level that it can be narrowed to: a key or none (''), a model or none (''). One
# contiguous range a question, however many keys and models there are; roll-ups stay the book that reports add up.
tallies = Table(
    "tallies",
    metadata,
    Column("kind", Text, primary_key=True),  # model, key, user, account, error, first_byte
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),  # which model, key, user, account, error code; a span's bin
    Column("calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("cached_calls", BigInteger, nullable=False),
    Column("unknown_cost_calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_nanos", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

refusals = Table(
    "refusals",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("endpoint", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
