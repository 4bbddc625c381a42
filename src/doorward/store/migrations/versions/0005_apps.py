"""Conversations, prompts, collections and their vectors, agents' runs, jobs; full-text indexes beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from doorward.store.tables.columns import database_now

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _conversations()
    _answers()
    _collections()
    _work()
    for table in ("messages", "documents"):
        _full_text(table)


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False, server_default=""),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text),
        sa.Column("system", sa.Text, nullable=False, server_default=""),
        sa.Column("leaf_id", sa.Text),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_index(op.f("ix_conversations_owner_updated_at_id"), "conversations", ["owner", "updated_at", "id"])
    op.create_table(
        "messages",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("conversation_id", sa.Text, sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("parent_id", sa.Text),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("parts", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("stopped", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("call_id", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_messages_conversation_id_parent_id"), "messages", ["conversation_id", "parent_id"])
    op.create_table(
        "prompts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )


def _answers() -> None:
    op.create_table(
        "label_sets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_table(
        "app_answers",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index(op.f("ix_app_answers_expires_at"), "app_answers", ["expires_at"])


def _collections() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sa.UniqueConstraint("owner", "name"),
    )
    op.create_table(
        "documents",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("collection_id", sa.Text, sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False, server_default="{}"),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sa.UniqueConstraint("collection_id", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "embeddings",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )


def _work() -> None:
    op.create_table(
        "agent_runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("messages", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False, server_default=""),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_index(op.f("ix_agent_runs_owner_created_at"), "agent_runs", ["owner", "created_at"])
    op.create_table(
        "agent_steps",
        sa.Column("run_id", sa.Text, sa.ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("wish", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("total", sa.Integer, nullable=False, server_default="0"),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("until", sa.Double, nullable=False, server_default="0"),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_index(op.f("ix_jobs_owner_created_at"), "jobs", ["owner", "created_at"])
    op.create_index(op.f("ix_jobs_state_until"), "jobs", ["state", "until"])


def _full_text(table: str) -> None:
    """An index of the column `text`, kept by the database itself."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"CREATE INDEX {table}_fts ON {table} USING gin (to_tsvector('simple', text))")
        return
    op.execute(f"CREATE VIRTUAL TABLE {table}_fts USING fts5(text, content='{table}', content_rowid='number')")
    gone = f"INSERT INTO {table}_fts ({table}_fts, rowid, text) VALUES ('delete', old.number, old.text);"  # noqa: S608 - the two names of `upgrade`
    come = f"INSERT INTO {table}_fts (rowid, text) VALUES (new.number, new.text);"  # noqa: S608 - the two names of `upgrade`
    op.execute(f"CREATE TRIGGER {table}_fts_insert AFTER INSERT ON {table} BEGIN {come} END")
    op.execute(f"CREATE TRIGGER {table}_fts_delete AFTER DELETE ON {table} BEGIN {gone} END")
    op.execute(f"CREATE TRIGGER {table}_fts_update AFTER UPDATE OF text ON {table} BEGIN {gone} {come} END")
