-- requires: listed_fines, row_errors
-- Finds the errors in a file of fine ids.
INSERT INTO row_errors (file, line, message)
SELECT :file, line, CASE
    WHEN fault IS NOT NULL THEN fault
    WHEN fine_id IS NULL THEN format('%s is no fine id; write the internal id of a fine, in digits', to_json(left(given, 60)))
    WHEN first_line < line THEN format('fine %s is on line %s already', fine_id, first_line)
    WHEN NOT is_known THEN format('there is no fine %s', fine_id) END
FROM (
    SELECT listed_fines.*, min(line) OVER (PARTITION BY fine_id) AS first_line, fines.id IS NOT NULL AS is_known
    FROM listed_fines LEFT JOIN fines ON fines.id = listed_fines.fine_id
) AS given
WHERE fault IS NOT NULL OR fine_id IS NULL OR first_line < line OR NOT is_known;
