-- Lets the next user, item, fine and journal entry take the id after the highest one copied in.
SELECT setval(pg_get_serial_sequence('users', 'id'), coalesce(max(id), 0) + 1, false) FROM users
UNION ALL
SELECT setval(pg_get_serial_sequence('items', 'id'), coalesce(max(id), 0) + 1, false) FROM items
UNION ALL
SELECT setval(pg_get_serial_sequence('fines', 'id'), coalesce(max(id), 0) + 1, false) FROM fines
UNION ALL
SELECT setval(pg_get_serial_sequence('journal_entries', 'id'), coalesce(max(id), 0) + 1, false) FROM journal_entries
