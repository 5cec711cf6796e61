-- Returns whether a run of a job of a profile that began at or after a moment has ended, with any outcome.
SELECT EXISTS (
    SELECT FROM run_reports WHERE job = :job AND profile = :profile AND started_at >= :since AND NOT dry_run);
