"""Statements: a bursar's list of what is open, or was billed, is compared with the ledger, which it does not change."""
