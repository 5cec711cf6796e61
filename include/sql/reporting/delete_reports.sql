-- Deletes the reports of runs that ended before a moment, their task timings, loads with their messages, statements with their
-- results, and the lists of fines that were uploaded before it; returns the number of reports. The newest report of each job and
-- profile, the newest successful one, the newest load of each source that was refused or not, and the newest comparison of each
-- profile stay whatever their age: alerts and the next comparison read them.
WITH old AS (
    SELECT id, job, coalesce(profile, '') AS profile, run_id, started_at, ended_at, dry_run, outcome
    FROM run_reports WHERE ended_at < :before
), kept AS (
    (SELECT DISTINCT ON (job, profile) id FROM old WHERE NOT dry_run
     ORDER BY job, profile, started_at DESC, id DESC)
    UNION
    (SELECT DISTINCT ON (job, profile) id FROM old WHERE NOT dry_run AND outcome <> 'failed'
     ORDER BY job, profile, ended_at DESC, id DESC)
), deleted AS (
    DELETE FROM run_reports USING old
    WHERE run_reports.id = old.id AND run_reports.ended_at < :before AND old.id NOT IN (SELECT id FROM kept)
    RETURNING old.job, old.profile, old.run_id
), fine_lists AS (
    DELETE FROM fine_lists WHERE uploaded_at < :before
), loads AS (
    DELETE FROM loads WHERE ended_at < :before AND id NOT IN (SELECT max(id) FROM loads GROUP BY source, is_refused)
), old_statements AS (
    DELETE FROM statements
    WHERE registered_at < :before
      AND id NOT IN (SELECT max(id) FROM statements WHERE compared_at IS NOT NULL GROUP BY profile, lists, of_users)
), task_timings AS (
    DELETE FROM task_timings USING deleted
    WHERE (task_timings.job, task_timings.profile, task_timings.run_id) = (deleted.job, deleted.profile, deleted.run_id)
)
SELECT count(*) FROM deleted;
