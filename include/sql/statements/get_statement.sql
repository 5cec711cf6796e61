-- Returns a statement.
SELECT * FROM statements WHERE id = :statement_id;
