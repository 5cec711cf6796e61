-- What a maintenance job decided about each user and fine. In a dry run nobody was purged and nothing was waived.
SELECT results.user_id, results.fine_id, results.reason, CASE
    WHEN results.reason IS NOT NULL THEN 'kept'
    ELSE CASE WHEN jobs.dry_run THEN 'would be ' ELSE '' END || CASE jobs.job WHEN 'purge' THEN 'purged' ELSE 'waived' END
    END AS outcome
FROM maintenance_job_results AS results JOIN maintenance_jobs AS jobs ON jobs.id = results.job_id
WHERE results.job_id = :job_id
ORDER BY results.user_id, results.fine_id;
