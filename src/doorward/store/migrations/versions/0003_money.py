"""The book, budgets and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _book()
    _tallies()


def _book() -> None:
    op.create_table(
        "calls",
        sa.Column("opening", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text),
        sa.Column("key_label", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("model_asked", sa.Text),
        sa.Column("model_served", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("account_id", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error_code", sa.Text),
        sa.Column("cache", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger),
        sa.Column("held_nanos", sa.BigInteger),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("price_version", sa.Text),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("first_byte_ms", sa.Double),
        sa.Column("duration_ms", sa.Double),
        sa.Column("settled_at", sa.Double, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_calls_started_at_id"), "calls", ["started_at", "id"])
    op.create_index(op.f("ix_calls_owner_started_at_id"), "calls", ["owner", "started_at", "id"])
    op.create_index(op.f("ix_calls_key_id_started_at_id"), "calls", ["key_id", "started_at", "id"])
    op.create_index(op.f("ix_calls_account_id_started_at_id"), "calls", ["account_id", "started_at", "id"])
    op.create_index(op.f("ix_calls_model_served_started_at_id"), "calls", ["model_served", "started_at", "id"])
    renamed, failed = sa.text("coalesce(model_served, '') <> model_asked"), sa.text("error_code IS NOT NULL")
    asked, errors = ["model_asked", "started_at", "id"], ["error_code", "started_at", "id"]
    op.create_index("ix_calls_renamed", "calls", asked, sqlite_where=renamed, postgresql_where=renamed)
    op.create_index("ix_calls_errors", "calls", errors, sqlite_where=failed, postgresql_where=failed)
    op.create_index(op.f("ix_calls_id"), "calls", ["id"])
    op.create_index(op.f("ix_calls_settled_at"), "calls", ["settled_at"])
    op.create_table(
        "attempts",
        sa.Column("opening", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("upstream_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("units", sa.Text, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger),
        sa.Column("held_nanos", sa.BigInteger),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("price_version", sa.Text),
        sa.Column("started_ms", sa.Double, nullable=False),
        sa.Column("first_event_ms", sa.Double),
        sa.Column("ended_ms", sa.Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollups",
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider_id", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failed_calls", sa.BigInteger, nullable=False),
        sa.Column("cached_calls", sa.BigInteger, nullable=False),
        sa.Column("unknown_cost_calls", sa.BigInteger, nullable=False),
        sa.Column("estimated_calls", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "daily_rollups",
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("provider_id", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failed_calls", sa.BigInteger, nullable=False),
        sa.Column("cached_calls", sa.BigInteger, nullable=False),
        sa.Column("unknown_cost_calls", sa.BigInteger, nullable=False),
        sa.Column("estimated_calls", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("failed_calls", sa.BigInteger, nullable=False),
        sa.Column("cached_calls", sa.BigInteger, nullable=False),
        sa.Column("unknown_cost_calls", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nanos", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
