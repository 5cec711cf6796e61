-- The newest maintenance jobs, with the person who approved each, if it needed that.
SELECT jobs.*, approvals.answered_by AS approved_by
FROM maintenance_jobs AS jobs LEFT JOIN approvals ON approvals.job = jobs.job AND approvals.run_id = jobs.run_id
ORDER BY jobs.id DESC LIMIT :limit;
