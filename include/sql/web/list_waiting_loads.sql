-- A page of the loads of some sources with rows that wait for a person, newest first, below the load :below: warnings until a
-- person has seen them, since they come once; deferred rows until a load applies them; rejected rows, and those of a load that was
-- refused, until a person has seen them or a complete load has had all rows again.
SELECT loads.*
FROM (
    SELECT found.id
    FROM unnest(CAST(:sources AS text[])) AS wanted
    CROSS JOIN LATERAL (SELECT max(id) AS id FROM loads WHERE source = wanted AND is_complete AND NOT is_refused) AS whole
    CROSS JOIN LATERAL (
        SELECT id FROM loads
        WHERE source = wanted AND id < coalesce(CAST(:below AS bigint), 9223372036854775807) AND seen_at IS NULL
          AND (is_refused OR counts ->> 'rejected' <> '0' OR counts ->> 'fines_deferred' <> '0' OR counts ->> 'warnings' <> '0')
          AND (counts ->> 'warnings' <> '0'
               OR (is_refused OR counts ->> 'rejected' <> '0') AND id >= coalesce(whole.id, 0)
               OR EXISTS (SELECT FROM deferred_fines WHERE deferred_fines.source = wanted AND deferred_fines.load_id = loads.id))
        ORDER BY id DESC LIMIT :limit
    ) AS found
    ORDER BY found.id DESC LIMIT :limit
) AS page
JOIN loads ON loads.id = page.id
ORDER BY loads.id DESC;
