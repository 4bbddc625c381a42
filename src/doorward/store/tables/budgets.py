"""Budgets, what is spent and leased of them, alerts that were sent, and the operator's own prices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, Table, Text

from doorward.store.tables.columns import created_at, metadata

budgets = Table(
    "budgets",
    metadata,
    Column("subject", Text, primary_key=True),  # all, user:<id>; a key's budget stands in its own row
    Column("cap_nanos", BigInteger, nullable=False),
    Column("period", Text, nullable=False),  # day, month, ever
    created_at(),
)

budget_periods = Table(
    "budget_periods",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("period", Text, primary_key=True),  # 2026-11-20, 2026-11, ever; UTC
    Column("spent_nanos", BigInteger, nullable=False, server_default="0"),
    Column("leased_nanos", BigInteger, nullable=False, server_default="0"),
    Column("wanted_at", Double, nullable=False, server_default="0"),  # somebody needs what others lease and do not use
)

# One row for each process and period; a new one after an expiry. Amounts: what is leased now, what was booked as
# spent in all, and what an expiry charged and no proof has lowered.
leases = Table(
    "leases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("process", Text, nullable=False),  # the start id, as in the journal's file names
    Column("home", Text, nullable=False),  # which journal directory its proof lies in
    Column("amount_nanos", BigInteger, nullable=False),
    Column("spent_nanos", BigInteger, nullable=False, server_default="0"),
    Column("charged_nanos", BigInteger, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="held"),  # held, expired, proved
    Column("until", Double, nullable=False),  # the database's clock
    created_at(),
    Index(None, "state", "until"),
    Index(None, "process", "subject", "period"),
)

budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    Column("cap_nanos", BigInteger, primary_key=True, autoincrement=False),  # a raised cap is alerted anew
    created_at(),
)

price_overrides = Table(
    "price_overrides",
    metadata,
    Column("price_list", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("usd", Text, nullable=False),  # a decimal number, exact
    created_at(),
)
