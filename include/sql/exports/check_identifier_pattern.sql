-- Compiles a pattern as `select_candidates` does, and by itself: a parenthesis in it must not close the group around
-- it.
SELECT '' ~ CAST(:identifier_pattern AS text), '' ~ ('^(?:' || CAST(:identifier_pattern AS text) || ')$');
