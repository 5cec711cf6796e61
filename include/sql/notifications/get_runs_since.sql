-- Whether a run of a job of a profile that began at or after a moment has ended, however it did.
SELECT EXISTS (
    SELECT FROM run_reports WHERE job = :job AND profile = :profile AND started_at >= :since AND NOT dry_run);
