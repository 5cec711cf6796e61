-- What became of the events of a source that were looked at since :started_at: number by state, and the answers of those that wait for
-- a person.
SELECT state, count(*) AS events, coalesce(array_agg(DISTINCT answer) FILTER (WHERE state IN ('refused', 'unknown')), '{}') AS answers
FROM outbox_events
WHERE source = :source AND greatest(answered_at, attempted_at) >= :started_at
GROUP BY state ORDER BY state;
