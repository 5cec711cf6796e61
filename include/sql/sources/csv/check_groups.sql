-- requires: row_errors, staged_groups
-- Finds the errors in a file of user groups.
INSERT INTO row_errors (file, line, message)
SELECT :file, line, unnest(array_remove(ARRAY[
    concat_ws(' ', fault_field, to_json(fault_value), fault_reason) || '; ' || fault_remedy,
    CASE WHEN fault_reason IS NULL AND code IS NULL THEN 'code is missing' END,
    CASE WHEN fault_reason IS NULL AND name IS NULL THEN 'name is missing' END,
    CASE WHEN first_line < line AND code IS NOT NULL
         THEN format('code %s is on line %s already', to_json(left(code, 60)), first_line) END
], NULL))
FROM (SELECT *, min(line) OVER (PARTITION BY code) AS first_line FROM staged_groups) AS given;
