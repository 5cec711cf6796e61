-- One maintenance job, with the person who approved it, if it needed that.
SELECT jobs.*, approvals.answered_by AS approved_by
FROM maintenance_jobs AS jobs LEFT JOIN approvals ON approvals.job = jobs.job AND approvals.run_id = jobs.run_id
WHERE jobs.id = :job_id;
