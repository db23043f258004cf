"""Alembic's scripts: the tables, version by version."""
