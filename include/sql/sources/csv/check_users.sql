-- requires: row_errors, staged_users
-- Finds the errors in a file of users; its groups have to be in the ledger.
INSERT INTO row_errors (file, line, message)
SELECT :file, line, unnest(array_remove(ARRAY[
    concat_ws(' ', fault_field, to_json(fault_value), fault_reason) || '; ' || fault_remedy,
    CASE WHEN fault_reason IS NULL AND primary_id IS NULL THEN 'primary_id is missing' END,
    CASE WHEN first_line < line AND primary_id IS NOT NULL
         THEN format('primary_id %s is on line %s already', to_json(left(primary_id, 60)), first_line) END,
    CASE WHEN fault_reason IS NULL AND last_name IS NULL THEN 'last_name is missing' END,
    CASE WHEN fault_reason IS NULL AND user_group IS NULL THEN 'user_group is missing' END,
    CASE WHEN user_group IS NOT NULL AND user_group NOT IN (SELECT code FROM user_groups)
         THEN format('user_group %s is unknown; name it in the file of user groups', to_json(left(user_group, 60))) END,
    CASE WHEN expiry_date IS NOT NULL AND pg_temp.as_day(expiry_date) IS NULL
         THEN format('expiry_date %s is not a day such as 2026-09-30', to_json(left(expiry_date, 60))) END,
    CASE WHEN purge_date IS NOT NULL AND pg_temp.as_day(purge_date) IS NULL
         THEN format('purge_date %s is not a day such as 2026-09-30', to_json(left(purge_date, 60))) END
], NULL))
FROM (SELECT *, min(line) OVER (PARTITION BY primary_id) AS first_line FROM staged_users) AS given;
