"""Any HTTP API behind the same door: one YAML file in, a table of adapters out.

documents (the file cut at its markers) -> manifest (strict schema, every problem with its line) -> Adapter.
expand: `${{ NAME }}` from the environment. target: the only place where an upstream's path is built.
edit: add and remove, every other byte stays. watch: the table in force, read again when the file changes.
"""
