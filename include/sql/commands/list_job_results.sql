-- What a job decided, user by user and fine by fine. In a dry run nobody was purged and nothing was waived.
SELECT verdicts.user_id, verdicts.fine_id, verdicts.reason, CASE
    WHEN verdicts.reason IS NOT NULL THEN 'kept'
    ELSE CASE WHEN jobs.dry_run THEN 'would be ' ELSE '' END || CASE jobs.job WHEN 'purge' THEN 'purged' ELSE 'waived' END
    END AS outcome
FROM maintenance_job_results AS verdicts JOIN maintenance_jobs AS jobs ON jobs.id = verdicts.job_id
WHERE verdicts.job_id = :job_id
ORDER BY verdicts.user_id, verdicts.fine_id;
