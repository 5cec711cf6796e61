-- Lists those of the given file names that are of other batches of a profile, oldest first. A file that this batch has delivered is its
-- own, even if a layout gives the files of all exports the same names.
SELECT file_name FROM batches JOIN batch_files ON batch_files.batch_id = batches.id
WHERE profile = :profile AND id <> :batch_id AND NOT dry_run AND file_name = ANY (CAST(:names AS text[]))
  AND file_name NOT IN (
      SELECT own.file_name
      FROM batch_files AS own JOIN deliveries ON (deliveries.batch_id, deliveries.file_number) = (own.batch_id, own.number)
      WHERE own.batch_id = :batch_id AND deliveries.delivered_at IS NOT NULL)
GROUP BY file_name
ORDER BY min(id), min(number);
