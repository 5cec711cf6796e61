-- requires: incoming_fines
-- So that the checks are planned for as many fines as there are.
ANALYZE incoming_fines;
