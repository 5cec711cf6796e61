-- Lists the tasks of a run in the order of their starts, each with the duration of all its tries and mapped parts, and
-- its error.
SELECT task, sum(seconds) AS seconds, array_remove(array_agg(error ORDER BY map_key), NULL) AS errors
FROM task_timings
WHERE job = :job AND profile = coalesce(CAST(:profile AS text), '') AND run_id = :run_id
GROUP BY task
ORDER BY min(started_at);
