-- requires: incoming_fines
-- Deletes the rows of earlier loads that this load has applied or deferred again. A newer row that was rejected deletes nothing.
DELETE FROM deferred_fines USING incoming_fines
WHERE deferred_fines.source = :source AND deferred_fines.source_id = incoming_fines.source_id;
