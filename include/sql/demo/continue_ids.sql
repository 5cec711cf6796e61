-- Sets the sequences of users, items, fines and journal entries to the ids after the copied ones.
SELECT setval(pg_get_serial_sequence('users', 'id'), coalesce(max(id), 0) + 1, false) FROM users
UNION ALL
SELECT setval(pg_get_serial_sequence('items', 'id'), coalesce(max(id), 0) + 1, false) FROM items
UNION ALL
SELECT setval(pg_get_serial_sequence('fines', 'id'), coalesce(max(id), 0) + 1, false) FROM fines
UNION ALL
SELECT setval(pg_get_serial_sequence('journal_entries', 'id'), coalesce(max(id), 0) + 1, false) FROM journal_entries
