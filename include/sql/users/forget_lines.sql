-- Takes the people out of the lines of their exports. A blank identifier marks such a line: no export sends one.
UPDATE lines SET identifier = '', patron_name = '', comment = NULL
FROM leaving JOIN fines ON fines.user_id = leaving.user_id
WHERE lines.fine_id = fines.id;
