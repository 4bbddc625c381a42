"""Users, their ways in, sessions, single-use tickets, the audit chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from doorward.store.tables.columns import database_now

revision = "0002"
down_revision = "0001"


def _made() -> sa.Column[float]:
    return sa.Column("created_at", sa.Double, nullable=False, server_default=database_now())


def _user(table: str, *, nullable: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey("users.id", name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE")
    return sa.Column("user_id", sa.Text, key, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("signed_in_at", sa.Double),
        _made(),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.CheckConstraint("role IN ('admin', 'user')", name=op.f("ck_users_role_is_known")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        _user("sessions"),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False, server_default=""),
        sa.Column("from_addr", sa.Text, nullable=False, server_default=""),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("last_seen_at", sa.Double, nullable=False),
        _made(),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"])
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Text, primary_key=True),
        _user("passkeys"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("last_used_at", sa.Double),
        _made(),
    )
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"])
    op.create_table(
        "external_identities",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        _user("external_identities"),
        _made(),
    )
    op.create_index(op.f("ix_external_identities_user_id"), "external_identities", ["user_id"])
    op.create_table(
        "tickets",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        _user("tickets", nullable=True),
        sa.Column("payload", sa.Text, nullable=False, server_default="{}"),
        sa.Column("expires_at", sa.Double, nullable=False),
        _made(),
    )
    op.create_index(op.f("ix_tickets_kind_expires_at"), "tickets", ["kind", "expires_at"])
    op.create_table(
        "sign_in_tries",
        sa.Column("who", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False),
        sa.Column("blocked_until", sa.Double, nullable=False),
    )
    op.create_table(
        "audit_rows",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("from_mark", sa.Text, nullable=False),
        sa.Column("from_addr", sa.Text),
        sa.Column("from_salt", sa.Text),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_audit_rows_actor"), "audit_rows", ["actor"])
    op.create_index(op.f("ix_audit_rows_target"), "audit_rows", ["target"])
    op.create_table(
        "audit_people",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_audit_people_pseudonym")),
    )
    op.create_table(
        "key_addresses",
        sa.Column("public_id", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("first_seen_at", sa.Double, nullable=False),
    )
