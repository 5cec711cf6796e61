-- The report of a run of a DAG.
SELECT *
FROM run_reports
WHERE job = :job AND profile IS NOT DISTINCT FROM :profile AND run_id = :run_id;
