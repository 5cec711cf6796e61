-- Returns whether the ledger knows a path, with its size and time, as the archived file of another statement.
SELECT EXISTS (
    SELECT FROM statements
    WHERE profile = :profile AND archived_path = :path AND size = :size AND modified = :modified AND id <> :statement_id
);
