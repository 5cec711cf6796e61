-- requires: row_messages, staged_groups
-- Adds the user groups of the file, and updates the names of known ones. Simultaneous loads wait for each other, in the order of codes.
INSERT INTO user_groups (code, name) SELECT code, name FROM staged_groups
WHERE line NOT IN (SELECT line FROM row_messages WHERE of_table = 'groups')
ORDER BY code
ON CONFLICT (code) DO UPDATE SET name = excluded.name WHERE user_groups.name <> excluded.name;
