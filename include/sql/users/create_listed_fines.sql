-- The lines of a file of fine ids, for the length of a transaction.
CREATE TEMPORARY TABLE listed_fines (line integer, fault text, given text, fine_id bigint) ON COMMIT DROP;
