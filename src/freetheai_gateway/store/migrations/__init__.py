"""The revisions of the database, run by Alembic; `store.revisions` decides when."""
