-- Returns whether the ledger knows a path, with its size and time, as the archived file of another arrival.
SELECT EXISTS (
    SELECT FROM file_arrivals
    WHERE profile = :profile AND archived_path = :path AND size = :size AND modified = :modified AND id <> :arrival_id
);
