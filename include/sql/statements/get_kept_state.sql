-- Returns whether a file of a profile with these bytes, size and time was compared, and whether it was archived; nothing if it is unknown.
SELECT bool_or(compared_at IS NOT NULL) AS is_compared, bool_or(archived_path IS NOT NULL) AS is_archived
FROM statements
WHERE profile = :profile AND name = :name AND size = :size AND modified = :modified AND sha256 = :sha256
HAVING count(*) > 0;
