-- requires: row_messages, staged_fines, staged_groups, staged_libraries, staged_users
-- Rejects the rows that are not readable.
INSERT INTO row_messages (kind, code, of_table, line, field, value, reason, remedy)
SELECT 'rejected', 'unreadable', of_table, line, fault_field, fault_value,
       concat_ws(' ', fault_field, to_json(fault_value), fault_reason), fault_remedy
FROM (
    SELECT 'groups' AS of_table, line, fault_field, fault_value, fault_reason, fault_remedy FROM staged_groups
    UNION ALL SELECT 'libraries', line, fault_field, fault_value, fault_reason, fault_remedy FROM staged_libraries
    UNION ALL SELECT 'users', line, fault_field, fault_value, fault_reason, fault_remedy FROM staged_users
    UNION ALL SELECT 'fines', line, fault_field, fault_value, fault_reason, fault_remedy FROM staged_fines
) AS rows
WHERE fault_reason IS NOT NULL;
