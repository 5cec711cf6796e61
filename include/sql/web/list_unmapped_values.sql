-- The values of a source that are in no map of its file, as the loads since its last complete one say: by field, with the number of
-- fines.
SELECT field, value, count(DISTINCT source_id) AS fines
FROM load_messages
WHERE code = 'unmapped' AND load_id IN (
    SELECT id FROM loads WHERE source = :source AND id >= coalesce((
        SELECT max(id) FROM loads WHERE source = :source AND is_complete AND NOT is_refused), 0))
GROUP BY field, value ORDER BY field, value LIMIT 100;
