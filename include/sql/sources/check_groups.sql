-- requires: row_messages, staged_groups
-- Rejects the wrong rows of user groups.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', fault ->> 0, 'groups', line, fault ->> 1, fault ->> 2, fault ->> 3, fault ->> 4
FROM (SELECT *, min(line) OVER (PARTITION BY code) AS first_line FROM staged_groups WHERE fault_reason IS NULL) AS given
CROSS JOIN LATERAL unnest(array_remove(ARRAY[
    CASE WHEN code IS NULL THEN pg_temp.fault('missing', 'code', NULL, 'code is missing', 'fill it in') END,
    CASE WHEN name IS NULL THEN pg_temp.fault('missing', 'name', NULL, 'name is missing', 'fill it in') END,
    CASE WHEN first_line < line AND code IS NOT NULL
         THEN pg_temp.fault('repeated', 'code', code,
                            format('code %s is on line %s already', to_json(left(code, 60)), first_line), 'leave one out') END
], NULL)) AS fault;
