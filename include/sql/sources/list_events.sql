-- Events of one source or (NULL) all, in some states or (NULL) all, of one fine or (NULL) all, of some ids
-- or (NULL) all, below the id :below, the newest first.
SELECT events.id, events.source, events.fine_id, fines.source_id, fines.currency, events.kind, entries.entry_type, events.entry_id,
       entries.posted_at, events.amount, events.state, events.attempts, events.attempted_at, events.answered_at, events.answer,
       events.balance_change, events.decision, events.decided_by, events.decided_at, system_sources.key_namespace
FROM outbox_events AS events
JOIN system_sources ON system_sources.source = events.source
JOIN journal_entries AS entries ON entries.id = events.entry_id
JOIN fines ON fines.id = events.fine_id
WHERE (CAST(:source AS text) IS NULL OR events.source = :source)
  AND (CAST(:states AS text[]) IS NULL OR events.state = ANY (:states))
  AND (CAST(:fine_id AS bigint) IS NULL OR events.fine_id = :fine_id)
  AND (CAST(:ids AS bigint[]) IS NULL OR events.id = ANY (:ids))
  AND events.id < coalesce(CAST(:below AS bigint), 9223372036854775807)
ORDER BY events.id DESC LIMIT :limit;
