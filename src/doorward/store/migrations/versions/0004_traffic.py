"""What routes and limits keep; budgets, their leases and alerts, the operator's prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from doorward.store.tables.columns import database_now

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _budgets()
    op.create_table(
        "idempotent_calls",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("is_done", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index(op.f("ix_idempotent_calls_expires_at"), "idempotent_calls", ["expires_at"])
    op.create_table(
        "call_contents",
        sa.Column("opening", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("cut", sa.Boolean, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index(op.f("ix_call_contents_owner"), "call_contents", ["owner"])
    op.create_index(op.f("ix_call_contents_expires_at"), "call_contents", ["expires_at"])
    op.create_table(
        "call_limits",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("rpm", sa.Integer),
        sa.Column("rpd", sa.Integer),
        sa.Column("tpm", sa.BigInteger),
        sa.Column("tpd", sa.BigInteger),
        sa.Column("concurrency", sa.Integer),
    )


def _budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("cap_nanos", sa.BigInteger, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_table(
        "budget_periods",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("spent_nanos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("leased_nanos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("wanted_at", sa.Double, nullable=False, server_default="0"),
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("home", sa.Text, nullable=False),
        sa.Column("amount_nanos", sa.BigInteger, nullable=False),
        sa.Column("spent_nanos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("charged_nanos", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("state", sa.Text, nullable=False, server_default="held"),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_index(op.f("ix_leases_state_until"), "leases", ["state", "until"])
    op.create_index(op.f("ix_leases_process_subject_period"), "leases", ["process", "subject", "period"])
    op.create_table(
        "budget_alerts",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("percent", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cap_nanos", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_table(
        "price_overrides",
        sa.Column("price_list", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("unit", sa.Text, primary_key=True),
        sa.Column("usd", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
