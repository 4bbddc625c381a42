"""The database: engine, tables, one file an entity, migrations. SQL lives nowhere else."""
