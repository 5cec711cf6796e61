-- requires: erased_identifiers
-- Erases the identifiers of the users in the records of payment files, before their own identifiers are erased.
UPDATE import_records SET identifier = NULL
FROM erased_identifiers AS erased
CROSS JOIN LATERAL (
    SELECT file_id, number FROM import_records AS named WHERE named.identifier = erased.identifier
    OFFSET 0  -- so that the planner looks them up one by one
) AS found
WHERE import_records.file_id = found.file_id AND import_records.number = found.number;
