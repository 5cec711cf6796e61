-- Creates the table for the lines of a file of fine ids; it is dropped at the end of the transaction.
CREATE TEMPORARY TABLE listed_fines (line integer, fault text, given text, fine_id bigint) ON COMMIT DROP;
