-- Adds to a load the warning that one of its files stays in its folder, once.
INSERT INTO load_messages (load_id, number, kind, code, file, reason, remedy)
SELECT :load_id, coalesce(max(number), 0) + 1, 'warning', :code, :file, :reason, ''
FROM load_messages WHERE load_id = :load_id
HAVING NOT coalesce(bool_or(code = :code AND file = :file), false);
