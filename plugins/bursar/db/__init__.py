"""The one database: PostgreSQL, the same everywhere."""
