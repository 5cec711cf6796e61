-- Updates the statistics of the planner. Autovacuum would do so only minutes later.
ANALYZE users, identifiers, items, fines, journal_entries
