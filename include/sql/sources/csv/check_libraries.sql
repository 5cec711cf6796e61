-- requires: row_errors, staged_libraries
-- Finds the errors in a file of libraries.
INSERT INTO row_errors (file, line, message)
SELECT :file, line, unnest(array_remove(ARRAY[
    concat_ws(' ', fault_field, to_json(fault_value), fault_reason) || '; ' || fault_remedy,
    CASE WHEN fault_reason IS NULL AND code IS NULL THEN 'code is missing' END,
    CASE WHEN fault_reason IS NULL AND id IS NULL THEN 'id is missing' END,
    CASE WHEN fault_reason IS NULL AND name IS NULL THEN 'name is missing' END,
    CASE WHEN first_line < line AND code IS NOT NULL
         THEN format('code %s is on line %s already', to_json(left(code, 60)), first_line) END,
    CASE WHEN first_line_of_id < line AND id IS NOT NULL
         THEN format('id %s is on line %s already', to_json(left(id, 60)), first_line_of_id) END,
    CASE WHEN id_belongs_to IS NOT NULL
         THEN format('id %s is that of library %s in the ledger', to_json(left(id, 60)), id_belongs_to) END
], NULL))
FROM (
    SELECT staged_libraries.*, libraries.code AS id_belongs_to,
           min(line) OVER (PARTITION BY staged_libraries.code) AS first_line,
           min(line) OVER (PARTITION BY staged_libraries.id) AS first_line_of_id
    FROM staged_libraries
    LEFT JOIN libraries ON libraries.id = staged_libraries.id AND libraries.code <> staged_libraries.code
) AS given;
