"""The schema's history, run by Alembic when a database's head differs from `store.schema.HEAD`. There are no downgrades."""
