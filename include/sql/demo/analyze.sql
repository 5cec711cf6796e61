-- Updates the planner's statistics. Autovacuum would do so only minutes later.
ANALYZE users, identifiers, items, fines, journal_entries
