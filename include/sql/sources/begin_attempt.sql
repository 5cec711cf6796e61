-- Records, before an event is written, that it may be: from now on only the system knows. Changes nothing if another worker did.
UPDATE outbox_events SET state = 'unknown', attempts = attempts + 1, attempted_at = clock_timestamp(),
                         answer = 'the attempt to write it has not been answered'
WHERE id = :id AND attempts = :attempts AND state IN ('pending', 'unknown');
