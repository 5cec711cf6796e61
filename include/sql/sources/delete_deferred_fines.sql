-- requires: staged_fines
-- Deletes the rows of earlier loads that this load has applied, rejected or deferred again.
DELETE FROM deferred_fines USING staged_fines
WHERE deferred_fines.source = :source AND deferred_fines.source_id = staged_fines.fine_id;
