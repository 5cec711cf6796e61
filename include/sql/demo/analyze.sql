-- Tells the planner how large the tables have become; autovacuum would only notice minutes later.
ANALYZE users, identifiers, items, fines, journal_entries
