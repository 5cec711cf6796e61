-- requires: row_messages, staged_libraries
-- Rejects the wrong rows of libraries.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', fault ->> 0, 'libraries', line, fault ->> 1, fault ->> 2, fault ->> 3, fault ->> 4
FROM (
    SELECT staged_libraries.*, libraries.code AS id_belongs_to,
           min(line) OVER (PARTITION BY staged_libraries.code) AS first_line,
           min(line) OVER (PARTITION BY staged_libraries.id) AS first_line_of_id
    FROM staged_libraries
    LEFT JOIN libraries ON libraries.id = staged_libraries.id AND libraries.code <> staged_libraries.code
    WHERE fault_reason IS NULL
) AS given
CROSS JOIN LATERAL unnest(array_remove(ARRAY[
    CASE WHEN code IS NULL THEN pg_temp.fault('missing', 'code', NULL, 'code is missing', 'fill it in') END,
    CASE WHEN id IS NULL THEN pg_temp.fault('missing', 'id', NULL, 'id is missing', 'fill it in') END,
    CASE WHEN name IS NULL THEN pg_temp.fault('missing', 'name', NULL, 'name is missing', 'fill it in') END,
    CASE WHEN first_line < line AND code IS NOT NULL
         THEN pg_temp.fault('repeated', 'code', code,
                            format('code %s is on line %s already', to_json(left(code, 60)), first_line), 'leave one out') END,
    CASE WHEN first_line_of_id < line AND id IS NOT NULL
         THEN pg_temp.fault('repeated', 'id', id,
                            format('id %s is on line %s already', to_json(left(id, 60)), first_line_of_id),
                            'give each library an id of its own') END,
    CASE WHEN id_belongs_to IS NOT NULL
         THEN pg_temp.fault('repeated', 'id', id,
                            format('id %s is that of library %s in the ledger', to_json(left(id, 60)), id_belongs_to),
                            'give each library an id of its own') END
], NULL)) AS fault;
