-- requires: row_messages
-- Drops the warnings about a lasting state that an earlier load gave about the same value. The others are about what happened
-- since the last load, and come once by themselves.
DELETE FROM row_messages
WHERE kind = 'warning' AND fine_id IS NOT NULL AND code IN ('missing_fine', 'fixed_value', 'settled_beyond_amount', 'user_deleted')
  AND EXISTS (SELECT FROM load_messages AS earlier
              WHERE earlier.kind = 'warning' AND earlier.fine_id = row_messages.fine_id AND earlier.code = row_messages.code
                AND earlier.field = row_messages.field AND earlier.value IS NOT DISTINCT FROM row_messages.value);
