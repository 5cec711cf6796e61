-- requires: user_records
-- Lists the batches that may have reached the bursar of a profile, have lines of these users, and have not been closed yet: their
-- fines are not outstanding yet. Another profile may have sent them for charges of this one.
SELECT batches.id, batches.profile
FROM batches
WHERE batches.closed_at IS NULL AND batches.released_at IS NULL
  AND EXISTS (SELECT FROM deliveries WHERE deliveries.batch_id = batches.id)
  AND EXISTS (SELECT FROM batch_lines WHERE batch_lines.batch_id = batches.id
              AND (batches.profile = :profile OR batch_lines.charge_profile = :profile)
              AND batch_lines.identifier IN (SELECT identifier FROM user_records))
ORDER BY batches.id;
