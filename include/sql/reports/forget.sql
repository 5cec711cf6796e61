-- Deletes the reports of runs that ended before a moment, and their stages; returns how many reports there were.
-- Of each job and profile, the newest of them and the newest successful one stay, however old: alerts look at them.
WITH old AS (
    SELECT id, job, coalesce(profile, '') AS profile, run, started_at, ended_at, dry_run, outcome
    FROM job_reports WHERE ended_at < :before
), kept AS (
    (SELECT DISTINCT ON (job, profile) id FROM old WHERE NOT dry_run
     ORDER BY job, profile, started_at DESC, id DESC)
    UNION
    (SELECT DISTINCT ON (job, profile) id FROM old WHERE NOT dry_run AND outcome <> 'failed'
     ORDER BY job, profile, ended_at DESC, id DESC)
), deleted AS (
    DELETE FROM job_reports USING old
    WHERE job_reports.id = old.id AND job_reports.ended_at < :before AND old.id NOT IN (SELECT id FROM kept)
    RETURNING old.job, old.profile, old.run
), stages AS (
    DELETE FROM job_stages USING deleted
    WHERE (job_stages.job, job_stages.profile, job_stages.run) = (deleted.job, deleted.profile, deleted.run)
)
SELECT count(*) FROM deleted;
