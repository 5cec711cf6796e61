-- The newest load of files from a source in a run, refused or not.
SELECT * FROM loads
WHERE source = :source AND run_id IS NOT DISTINCT FROM :run_id AND is_refused = :is_refused AND files @> CAST(:files AS jsonb)
ORDER BY id DESC LIMIT 1;
