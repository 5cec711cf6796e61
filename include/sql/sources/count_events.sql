-- The number of events of a source, or (NULL) of all, by source, kind and state.
SELECT source, kind, state, count(*) AS events FROM outbox_events
WHERE CAST(:source AS text) IS NULL OR source = :source
GROUP BY source, kind, state ORDER BY source, kind, state;
