"""What Alembic runs: migrate over the connection, and inside the transaction, that `store.revisions` hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
