"""What the app endpoints keep: conversations, prompts, label sets, collections and their vectors, agents' runs, jobs.

Every row has an owner (R14b), except what the operator sets for everybody: prompts and label sets.
`messages` and `documents` have a number beside their id: full-text indexes hang on it (FTS5 needs an integer).
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from doorward.store.tables.columns import created_at, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("model", Text, nullable=False),
    Column("prompt", Text),  # its name, for people
    Column("system", Text, nullable=False, server_default=""),  # its text, filled in
    Column("leaf_id", Text),  # the newest message: the branch that is shown
    Column("updated_at", Double, nullable=False),
    created_at(),
    Index(None, "owner", "updated_at", "id"),
)

messages = Table(
    "messages",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("conversation_id", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Text),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("parts", Text),  # JSON: content parts of a message that is not plain text
    Column("model", Text),
    Column("tokens", Integer, nullable=False),
    Column("stopped", Boolean, nullable=False, server_default=false()),
    Column("call_id", Text),  # `x-request-id` of the call that made it
    created_at(),
    Index(None, "conversation_id", "parent_id"),
    sqlite_autoincrement=True,
)

prompts = Table(
    "prompts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    created_at(),
)

label_sets = Table(
    "label_sets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", Text, nullable=False),
    created_at(),
)

app_answers = Table(
    "app_answers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "expires_at"),
)

collections = Table(
    "collections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("changes", Integer, nullable=False, server_default="0"),  # counted up by every change: what memory holds is stale
    created_at(),
    UniqueConstraint("owner", "name"),
)

documents = Table(
    "documents",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("collection_id", Text, ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
    Column("id", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("metadata", Text, nullable=False, server_default="{}"),
    Column("digest", Text, nullable=False),
    created_at(),
    UniqueConstraint("collection_id", "id"),
    sqlite_autoincrement=True,
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float16, of length 1
    created_at(),
)

agent_runs = Table(
    "agent_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("messages", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("answer", Text, nullable=False, server_default=""),
    Column("updated_at", Double, nullable=False),
    created_at(),
    Index(None, "owner", "created_at"),
)

agent_steps = Table(
    "agent_steps",
    metadata,
    Column("run_id", Text, ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("details", Text, nullable=False),
    created_at(),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("result", Text),
    Column("error", Text),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("until", Double, nullable=False, server_default="0"),  # the process that works on it says so again before then
    Column("updated_at", Double, nullable=False),
    created_at(),
    Index(None, "owner", "created_at"),
    Index(None, "state", "until"),
)
