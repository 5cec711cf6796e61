-- A page of the events of some sources that were refused, or may or may not have arrived, oldest first, after the event :after.
SELECT events.id, events.source, fines.currency, events.kind, events.amount, events.state,
       events.answer, coalesce(events.answered_at, events.attempted_at) AS since
FROM outbox_events AS events JOIN fines ON fines.id = events.fine_id
WHERE events.source = ANY (CAST(:sources AS text[])) AND events.state IN ('refused', 'unknown') AND events.id > :after
ORDER BY events.id LIMIT :limit;
