-- requires: incoming_fines
-- Links the credits of a file to the charges that they reverse, whichever comes first in it: new credits, and known ones that were
-- linked to no charge and are with no bursar, nor on their way there.
UPDATE fines SET reverses = charge.id
FROM incoming_fines AS incoming
JOIN fines AS charge ON charge.source_id = incoming.reverses AND charge.source = :source
WHERE fines.id = incoming.fine_id AND fines.reverses IS NULL
  AND NOT EXISTS (SELECT FROM batch_lines JOIN batches ON batches.id = batch_lines.batch_id
                  WHERE batch_lines.fine_id = fines.id AND batches.released_at IS NULL);
