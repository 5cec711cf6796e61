-- requires: incoming_fines, staged_fines
-- Links the new credits of a file to the charges that they reverse, whichever comes first in it.
UPDATE fines SET reverses = charge.id
FROM incoming_fines AS incoming
JOIN staged_fines AS given ON given.line = incoming.line
JOIN fines AS charge ON charge.source_id = given.reverses
WHERE fines.source_id = incoming.source_id AND incoming.outcome = 'added';
