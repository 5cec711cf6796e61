-- Whether the ledger knows a file, by its path, size and time, as one that another arrival of the profile was put away to.
SELECT EXISTS (
    SELECT FROM file_arrivals
    WHERE profile = :profile AND archived_path = :path AND size = :size AND modified = :modified AND id <> :arrival_id
);
