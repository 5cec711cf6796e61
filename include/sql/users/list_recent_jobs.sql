-- Lists the purges and waivings that a person started in the last 24 hours, without those that another person approved.
SELECT jobs.users, jobs.fines, jobs.totals
FROM maintenance_jobs AS jobs
WHERE NOT jobs.dry_run AND jobs.ended_at > now() - interval '24 hours' AND jobs.requested_by IS NOT DISTINCT FROM :requested_by
  AND NOT EXISTS (SELECT FROM approvals WHERE approvals.job = jobs.job AND approvals.run_id = jobs.run_id);
