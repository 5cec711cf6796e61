-- Returns the end of the newest successful run of a job of a profile; a run with nothing to do is a success.
SELECT max(ended_at) FROM run_reports
WHERE job = :job AND profile = :profile AND outcome <> 'failed' AND NOT dry_run;
