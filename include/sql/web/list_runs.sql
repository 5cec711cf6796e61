-- A page of run reports, newest first: those that the person may see, below the key of the page before.
SELECT *
FROM run_reports
WHERE (profile = ANY(:profiles) OR (profile IS NULL AND CAST(:institution AS boolean)))
  AND (CAST(:job AS text) IS NULL OR job = :job)
  AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
  AND (CAST(:started_before AS timestamptz) IS NULL OR (started_at, id) < (:started_before, :id_before))
ORDER BY started_at DESC, id DESC
LIMIT :limit;
