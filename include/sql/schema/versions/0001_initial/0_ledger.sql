-- The ledger, by subject: users and items; fines and their journal; exports; deliveries; imports; maintenance jobs; reports,
-- notifications, monitoring and approvals.
--
-- The comment on a table or view says what one of its rows is. A column without a foreign key that refers to another table says so in
-- its comment: bulk statements write these rows, and a look-up for each of a million rows costs more than the statement.
-- Columns of type jsonb hold amounts of money as text.

-- Only the owner makes triggers of the ledger's trigger functions: no function is executable by others from the start.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
