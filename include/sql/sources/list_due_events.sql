-- The next events that a system is informed of, oldest first, after the event :after, of the kinds :kinds and in the state :state. An
-- event waits for an earlier one of its fine that was refused, or of which nobody knows what became of it.
SELECT events.id, events.entry_id, events.fine_id, events.kind, events.amount, events.attempts, events.state, events.balance_change,
       entries.entry_type, entries.posted_at, fines.source_id, fines.currency, fines.amount < 0 AS is_credit,
       identifiers.value AS user_id, system_sources.key_namespace,
       -- an attempt may have ended long after its beginning
       coalesce(events.state = 'unknown' AND events.attempted_at IS NOT NULL
                AND greatest(events.attempted_at, events.answered_at) > now() - make_interval(secs => :repeat_after_seconds), false)
           AS is_recent
FROM outbox_events AS events
JOIN system_sources ON system_sources.source = events.source
JOIN journal_entries AS entries ON entries.id = events.entry_id
JOIN fines ON fines.id = events.fine_id
LEFT JOIN identifiers ON identifiers.user_id = fines.user_id AND identifiers.type = :id_type
WHERE events.source = :source AND events.id > :after AND events.state = :state
  AND events.kind = ANY (CAST(:kinds AS text[]))
  AND NOT EXISTS (SELECT FROM outbox_events AS earlier
                  WHERE earlier.source = events.source AND earlier.fine_id = events.fine_id AND earlier.id < events.id
                    AND earlier.state IN ('unknown', 'refused'))
ORDER BY events.id LIMIT :limit;
