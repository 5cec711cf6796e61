"""Alembic's environment: migrates the ledger on the connection that it was handed (see bursar.db.engine)."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
