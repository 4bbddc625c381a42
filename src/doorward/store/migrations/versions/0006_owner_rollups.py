"""Sums of calls by owner and quarter of an hour, and of everybody together, for reports by day in any zone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MEASURES = (
    "calls",
    "failed_calls",
    "cached_calls",
    "unknown_cost_calls",
    "estimated_calls",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanos",
)


def upgrade() -> None:
    op.create_table(
        "owner_rollups",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in MEASURES),
        sqlite_with_rowid=False,
    )
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT)" for name in MEASURES)
    for owner, groups in (("owner", "owner, bucket"), ("''", "bucket")):
        op.execute(
            f"INSERT INTO owner_rollups (owner, bucket, {', '.join(MEASURES)}) "  # noqa: S608 - constants of this file
            f"SELECT {owner}, bucket, {sums} FROM rollups WHERE tag = '' GROUP BY {groups}"
        )
