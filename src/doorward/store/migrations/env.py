"""Alembic's entry: migrates on the connection that `store.schema` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from doorward.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
