"""The database of the ledger: PostgreSQL."""
