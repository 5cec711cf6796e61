-- Locks a source until the end of the transaction, which may be idle for so long; returns false if another worker has the lock.
SELECT pg_try_advisory_xact_lock(hashtext('bursar.source'), hashtext(:source))
       AND set_config('idle_in_transaction_session_timeout', :timeout, true) IS NOT NULL;
