-- requires: row_messages, staged_libraries
-- Adds the libraries of the file, and updates the ids and names of known ones. Simultaneous loads wait for each other, in the order of codes.
INSERT INTO libraries (code, id, name) SELECT code, id, name FROM staged_libraries
WHERE line NOT IN (SELECT line FROM row_messages WHERE of_table = 'libraries')
ORDER BY code
ON CONFLICT (code) DO UPDATE SET id = excluded.id, name = excluded.name
WHERE (libraries.id, libraries.name) <> (excluded.id, excluded.name);
