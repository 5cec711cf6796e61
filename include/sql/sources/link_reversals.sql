-- requires: incoming_fines, staged_fines
-- Links the new credits of a file to the charges that they reverse, whichever comes first in it.
UPDATE fines SET reverses = charge.id
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines AS charge ON charge.source_id = given.reverses AND charge.source = :source
WHERE fines.id = incoming.fine_id AND incoming.is_new;
