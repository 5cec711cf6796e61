-- requires: fine_changes, incoming_fines
-- Counts the accepted fines of a load: added, changed, deferred, rounded, and all of them.
SELECT count(*) AS fines, count(*) FILTER (WHERE is_new) AS added, count(*) FILTER (WHERE is_rounded) AS rounded,
       (SELECT count(*) FROM fine_changes WHERE NOT is_new AND place <> 'batch'
            AND (adjusted, settled, reversed, reopened, settled_there) <> (0, 0, 0, 0, 0)
            OR NOT is_new AND place <> 'batch' AND (dispute IS NOT NULL OR moved_to IS NOT NULL)) AS changed,
       (SELECT count(*) FROM fine_changes WHERE place = 'batch') AS deferred
FROM incoming_fines;
