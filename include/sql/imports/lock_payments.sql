-- Waits until no other file of a profile is applied that finds fines by their users, or repeats payments; and keeps others waiting
-- until this transaction ends.
SELECT pg_advisory_xact_lock(hashtext('bursar.payments'), hashtext(:profile));
