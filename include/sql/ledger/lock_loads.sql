-- Waits until no other load runs, and lets none start before this transaction ends.
SELECT pg_advisory_xact_lock(hashtext('bursar.loads'));
