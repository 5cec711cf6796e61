-- A page of the maintenance jobs of some kinds, newest first, below the job :below, with the person who approved each, if it needed that.
SELECT jobs.*, approvals.answered_by AS approved_by
FROM maintenance_jobs AS jobs LEFT JOIN approvals ON approvals.job = jobs.job AND approvals.run_id = jobs.run_id
WHERE jobs.job = ANY (CAST(:jobs AS text[])) AND (CAST(:below AS bigint) IS NULL OR jobs.id < :below)
ORDER BY jobs.id DESC LIMIT :limit;
